// The caches of a prefill's layers: from scores to kept tokens to parts. See prefill.h.
#include "engine/prefill.h"
#include "engine/selection.h"

namespace qpkv {
namespace {

Buffer Upload(Engine& engine, const std::vector<float>& from) {
  Buffer buffer(engine.device, from.size() * sizeof(float));
  engine.Upload(buffer.data(), from.data(), from.size() * sizeof(float));
  return buffer;
}

}  // namespace

std::vector<float> Prefill::Scores(int plan) {
  EngineLock lock(*model_->engine);
  CheckBetweenLayers();
  if (layer_ == 0) throw Error("KV_BUSY", "No layer has run yet.");
  const PlanHandles& handles = now_.handles[plan];
  if (handles.stages.empty()) return {};
  std::vector<float> all;
  for (int handle : handles.stages) {
    const std::vector<float> own = DownloadScores(now_.observer->Scores(handle), plan);
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

std::vector<float> Prefill::DownloadScores(const float* scores, int plan) const {
  std::vector<float> out(Elements(stored_heads(plan), tokens()));
  model_->engine->Download(out.data(), scores, out.size() * sizeof(float));
  return out;
}

std::vector<float> Prefill::Exact(Tensor tensor) {
  EngineLock lock(*model_->engine);
  CheckBetweenLayers();
  if (layer_ == 0) throw Error("KV_BUSY", "No layer has run yet.");
  const Buffer& from = tensor == Tensor::kKey ? now_.keys : now_.values;
  const ModelDescription& d = model_->description;
  const size_t own = Elements(tokens(), d.head_dim);
  std::vector<float> out(own * d.kv_heads);
  for (int head = 0; head < d.kv_heads; ++head)
    model_->engine->Download(out.data() + own * head,
                             from.floats() + Elements(stream_.rows(), d.head_dim, head),
                             own * sizeof(float));
  return out;
}

Prefill::StageScores Prefill::ScoresOf(int plan, int layer, const std::vector<float>& given) {
  StageScores scores;
  if (given.empty()) {
    Passed& at = At(layer);
    for (int handle : at.handles[plan].stages) scores.stages.push_back(at.observer->Scores(handle));
  } else {
    scores.replaced = Upload(*model_->engine, given);
    scores.stages = {scores.replaced.floats()};
  }
  return scores;
}

std::unique_ptr<KvLayer> Prefill::Store(int plan, int layer, const Kept& kept,
                                        const Replacements& replacements) {
  Engine& engine = *model_->engine;
  const LayerPlan& what = Plan(plan, layer);
  const Passed& at = At(layer);
  Buffer keys, values;
  ExactTokens exact;
  exact.keys = RopeBefore(what) ? at.keys_before.floats() : at.keys.floats();
  exact.values = at.values.floats();
  exact.capacity = stream_.rows();
  if (!replacements.keys.empty()) {
    keys = Upload(engine, replacements.keys);
    values = Upload(engine, replacements.values);
    exact.keys = keys.floats();
    exact.values = values.floats();
    exact.capacity = tokens();
    exact.per_stored_head = true;
  }
  auto stored = std::make_unique<KvLayer>(model_->engine, std::make_shared<const LayerPlan>(what),
                                          Shape(plan, layer), model_->RopeOf(layer, expected_),
                                          exact, kept, tokens(), false);
  if (!stored->by_score()) return stored;
  const int handle = at.handles[plan].evict;
  const std::vector<float> start = !replacements.scores.empty() ? replacements.scores
                                   : handle >= 0 ? DownloadScores(at.observer->Scores(handle), plan)
                                                 : std::vector<float>();
  stored->StartScores(start, tokens());
  return stored;
}

// Layers that share slots; the others of the plan choose for themselves.
std::vector<Prefill::Kept> Prefill::SelectTogether(int plan) {
  std::vector<StageScores> scores;
  std::vector<LayerToSelect> layers;
  for (int l = 0; l < layer_; ++l) {
    scores.push_back(ScoresOf(plan, l, At(l).replaced[plan]));
    SelectionInput input;
    input.stages = scores.back().stages;
    input.heads = stored_heads(plan);
    input.tokens = tokens();
    input.window = Shape(plan, l).window;
    input.layer = l;
    layers.push_back({&Plan(plan, l), input});
  }
  return SelectOverLayers(*model_->engine, layers);
}

std::vector<std::vector<int32_t>> Prefill::CompressLayer(int plan, const Replacements& replacements,
                                                         bool select_only) {
  Engine& engine = *model_->engine;
  EngineLock lock(engine);
  CheckBetweenLayers();
  std::vector<std::unique_ptr<KvLayer>>& cache = caches_[plan];
  if (static_cast<int>(cache.size()) != layer_ - 1)
    throw Error("KV_BUSY", "Plan " + std::to_string(plan) +
                               " has compressed this layer already, or no layer has run.");
  const int layer = layer_ - 1;
  std::vector<Kept>& kept = kept_[plan];
  if (Pooled(plan)) {
    if (!replacements.keys.empty() || select_only)
      throw Error("KV_UNSUPPORTED",
                  "Layers that share slots cannot be stored with values of a hook.");
    now_.replaced[plan] = replacements.scores;
    if (layer_ < model_->description.layers) {
      cache.push_back(nullptr);
      return {};
    }
    kept = SelectTogether(plan);
    std::vector<std::unique_ptr<KvLayer>> stored;
    for (int l = 0; l < layer_; ++l) stored.push_back(Store(plan, l, kept[l], {}));
    lock.Finish();
    cache = std::move(stored);
    return kept.back();
  }
  const StageScores scores = ScoresOf(plan, layer, replacements.scores);
  SelectionInput input;
  input.stages = scores.stages;
  input.heads = stored_heads(plan);
  input.tokens = tokens();
  input.window = Shape(plan, layer).window;
  input.layer = layer;
  const Selection selection = SelectTokens(engine, Plan(plan, layer), input);
  if (select_only) return selection.kept;
  auto stored = Store(plan, layer, selection.kept, replacements);
  lock.Finish();
  cache.push_back(std::move(stored));  // last: whatever failed above may be tried again
  kept.push_back(selection.kept);
  return selection.kept;
}

}  // namespace qpkv
