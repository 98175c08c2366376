// See prefill.h.
#include "engine/prefill.h"

#include <algorithm>
#include <utility>

#include "engine/layer_forward.h"

namespace qpkv {
namespace {
uint64_t NextNumber() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}
}  // namespace

Prefill::Prefill(std::shared_ptr<Model> model, std::vector<int32_t> ids,
                 std::vector<CompressionPlan> plans, int expected, PromptMemory memory,
                 std::vector<Replay> replays)
    : number_(NextNumber()),
      model_(std::move(model)),
      stream_(std::move(ids), std::move(replays)),
      expected_(std::max(expected, stream_.tokens())),
      plans_(std::move(plans)),
      memory_(std::move(memory)),
      grant_(model_->memory),
      caches_(plans_.size()),
      kept_(plans_.size()) {
  const ModelDescription& d = model_->description;
  for (const CompressionPlan& plan : plans_) {
    if (static_cast<int>(plan.layers.size()) != d.layers)
      throw Error("KV_UNSUPPORTED", "The plan has " + std::to_string(plan.layers.size()) +
                                        " layers, the model " + std::to_string(d.layers) + ".");
    for (int l = 0; l < d.layers; ++l) {
      keeps_keys_before_ |= RopeBefore(plan.layers[l]);
      if (OrdersByScore(plan.layers[l]) && d.layer[l].window > 0)
        throw Error(
            "KV_UNSUPPORTED",
            "layers[" + std::to_string(l) +
                "].order: 'score' cannot be combined with a sliding window; use 'position'.");
    }
  }
}

bool Prefill::Admit() {
  if (admitted_) return true;
  size_t bytes = memory_.work;
  for (const ContextMemory& context : memory_.contexts)
    bytes += context.cache + context.per_token * static_cast<size_t>(context.growth_tokens);
  if (!grant_.Add(bytes, memory_.scratch)) return false;
  open_.emplace(model_->memory);
  return admitted_ = true;
}

// A prefill that waits for its turn holds nothing.
void Prefill::TakeMemory() {
  const ModelDescription& d = model_->description;
  bool pooled = false;
  for (int i = 0; i < plan_count(); ++i) pooled |= Pooled(i);
  if (pooled && layer_ > 0) held_.push_back(std::exchange(now_, Passed()));
  const size_t kv = sizeof(float) * Elements(stream_.rows(), d.kv_heads, d.head_dim);
  hidden_.Ensure(model_->engine->device, sizeof(float) * Elements(stream_.all(), d.hidden));
  now_.keys.Ensure(model_->engine->device, kv);
  now_.values.Ensure(model_->engine->device, kv);
  if (keeps_keys_before_) now_.keys_before.Ensure(model_->engine->device, kv);
  now_.replaced.assign(plans_.size(), {});
}

bool Prefill::Pooled(int plan) const {
  const std::vector<LayerPlan>& layers = plans_[plan].layers;
  return std::any_of(layers.begin(), layers.end(), SharesOverLayers);
}

Prefill::Passed& Prefill::At(int layer) { return layer == layer_ - 1 ? now_ : held_[layer]; }

LayerShape Prefill::Shape(int plan, int layer) const {
  return model_->ShapeOf(layer, plan >= 0 && StoresQueryHeads(plans_[plan]));
}

void Prefill::StartObserver() {
  const ModelDescription& d = model_->description;
  ObservedModel model;
  model.logit_scale = d.block.attention_scale;
  model.precision = d.products;
  model.output = model_->layers[layer_].o;
  model.rope = model_->RopeOf(layer_, expected_);
  now_.observer = std::make_unique<Observer>(model_->engine, Shape(-1, layer_), tokens(), model);
  now_.handles = WantPlans(*now_.observer, plans_, layer_, Shape(-1, layer_));
  now_.observer->Start();
  if ((now_.observer->reads() & kReadKeysBefore) != 0)
    now_.keys_before.Ensure(model_->engine->device, now_.keys.bytes());
  if ((now_.observer->reads() & kReadReplay) != 0 && stream_.all() == tokens())
    throw Error("KV_UNSUPPORTED",
                "A statistic of layer " + std::to_string(layer_) +
                    " reads a repetition of the prompt; give replays with the prefill.");
}

LayerTensors Prefill::Tensors() const {
  return {now_.keys.floats(), now_.keys_before.floats(), now_.values.floats(), stream_.rows()};
}

void Prefill::CheckUsable() const {
  if (finished_)
    throw Error("KV_DISPOSED", "The prefill has handed its contexts out; start another one.");
  if (failed_)
    throw Error("KV_NUMERIC", "Layer " + std::to_string(layer_) +
                                  " failed half way through the prompt; start another prefill.");
}

void Prefill::CheckBetweenLayers() const {
  CheckUsable();
  if (passed_ > 0)
    throw Error("KV_BUSY", "Layer " + std::to_string(layer_) + " has not passed all tokens yet.");
}

void Prefill::CheckNextLayer() const {
  const int layers = model_->description.layers;
  if (layer_ >= layers) throw Error("KV_BUSY", "All layers have run; call finish().");
  for (size_t i = 0; i < caches_.size(); ++i)
    if (static_cast<int>(caches_[i].size()) != layer_)
      throw Error("KV_BUSY", "Layer " + std::to_string(layer_ - 1) +
                                 " has not been compressed for plan " + std::to_string(i) + ".");
}

Error Prefill::Cancelled() const {
  return Error("KV_ABORTED", "The prefill was cancelled in layer " + std::to_string(layer_) + ".");
}

void Prefill::CheckAbort() const {
  if (abort.load()) throw Cancelled();
}

void Prefill::RunLayer() {
  do {
    EngineLock lock(*model_->engine);
    Took(Step(*model_, {NextChunk()}).front());
  } while (!between_layers());
}

int Prefill::chunk_rows() const { return std::min(kChunkTokens, stream_.EndOf(passed_) - passed_); }

Work Prefill::NextChunk() {
  CheckAbort();
  CheckUsable();
  if (passed_ == 0) {
    CheckNextLayer();
    TakeMemory();
  }
  // Hidden states are replaced in place, so a layer that stops in a chunk cannot be run again.
  failed_ = true;
  Work work;
  work.sequence = this;
  work.from = layer_;
  work.to = layer_ + 1;
  work.first = passed_;
  work.rows = chunk_rows();
  work.ids = stream_.ids() + passed_;
  return work;
}

void Prefill::Took(const Outcome& outcome) {
  if (outcome.error) throw *outcome.error;
  failed_ = false;
  passed_ += chunk_rows();
  if (passed_ < stream_.all()) return;
  passed_ = 0;
  ++layer_;
}

void Prefill::BeforeLayers(const Work& work) {
  if (work.first == 0 && work.to > work.from) StartObserver();
}

float* Prefill::HiddenAt(int first) {
  return hidden_.floats() + Elements(first, model_->description.hidden);
}

void Prefill::StoreRows(const LayerRows& rows, const float* x, const Buffer& to) {
  const ModelDescription& d = model_->description;
  model_->engine->ops.StoreHeads(
      model_->engine->stream, {x, to.floats(), rows.rows, d.kv_heads, d.head_dim, rows.qkv.stride,
                               stream_.rows(), stream_.PositionOf(rows.first)});
}

void Prefill::BeforeRope(const LayerRows& rows) {
  if (now_.keys_before.data() != nullptr) StoreRows(rows, rows.qkv.k, now_.keys_before);
  if ((now_.observer->reads() & kReadQueriesBefore) == 0) return;
  Engine& engine = *model_->engine;
  const int width = model_->description.query_heads * model_->description.head_dim;
  queries_before_.Ensure(engine.device, sizeof(float) * kChunkTokens * width);
  engine.ops.StoreHeads(engine.stream, {rows.qkv.q, queries_before_.floats(), rows.rows, 1, width,
                                        rows.qkv.stride, rows.rows, 0});
}

void Prefill::Attend(const LayerRows& rows) {
  const ModelDescription& d = model_->description;
  Engine& engine = *model_->engine;
  StoreRows(rows, rows.qkv.k, now_.keys);
  StoreRows(rows, rows.qkv.v, now_.values);
  PrefillAttentionArgs args{};
  args.q = rows.qkv.q;
  args.k = now_.keys.floats();
  args.v = now_.values.floats();
  args.out = rows.out;
  args.lse = (now_.observer->reads() & kReadQueries) != 0
                 ? engine.Floats(Slot::kLse, Elements(rows.rows, d.query_heads))
                 : nullptr;
  args.rows = rows.rows;
  args.first = stream_.PositionOf(rows.first);
  args.q_heads = d.query_heads;
  args.kv_heads = d.kv_heads;
  args.dim = d.head_dim;
  args.q_stride = rows.qkv.stride;
  args.capacity = stream_.rows();
  args.window = d.layer[rows.layer].window;
  args.scale = d.block.attention_scale;
  args.cap = d.block.attention_cap;
  args.precision = d.products;
  engine.ops.PrefillAttention(engine.stream, args);
  if (stream_.ReplayAt(rows.first) != nullptr) return AddReplay(rows);
  QueryChunk chunk{};
  chunk.q = args.q;
  if ((now_.observer->reads() & kReadQueriesBefore) != 0) chunk.q_before = queries_before_.floats();
  chunk.lse = args.lse;
  chunk.outputs = args.out;
  chunk.rows = rows.rows;
  chunk.first = rows.first;
  chunk.q_stride = args.q_stride;
  now_.observer->AddChunk(chunk, Tensors());
}

void Prefill::AddReplay(const LayerRows& rows) {
  const Replay& replay = *stream_.ReplayAt(rows.first);
  ReplayChunk chunk{};
  chunk.q = rows.qkv.q;
  chunk.inputs = rows.qkv.input;
  chunk.hidden = model_->description.hidden;
  chunk.rows = rows.rows;
  chunk.first = rows.first - stream_.BeginOf(rows.first);
  chunk.q_stride = rows.qkv.stride;
  chunk.from = replay.from;
  chunk.to = replay.to;
  now_.observer->AddReplay(chunk, Tensors());
}

void Prefill::AfterLayers(int done) {
  if (done == stream_.all()) now_.observer->Finish(Tensors());
}

std::vector<float> Prefill::AllLogits() {
  const ModelDescription& d = model_->description;
  CheckBetweenLayers();
  if (layer_ != d.layers)
    throw Error("KV_BUSY", "Layer " + std::to_string(layer_) + " has not run yet.");
  std::vector<float> out(Elements(tokens(), d.vocab));
  for (int first = 0; first < tokens(); first += kChunkTokens) {
    EngineLock lock(*model_->engine);
    LogitsOf(first, std::min(kChunkTokens, tokens() - first), out.data() + Elements(first, d.vocab),
             nullptr);
  }
  return out;
}

// Logits of tokens that have passed all layers: a step without layers.
void Prefill::LogitsOf(int first, int rows, float* all, float* last) {
  Work work;
  work.sequence = this;
  work.from = work.to = model_->description.layers;
  work.first = first;
  work.rows = rows;
  work.all_logits = all;
  work.last_logits = last;
  const Outcome outcome = std::move(Step(*model_, {work}).front());
  if (outcome.error) throw *outcome.error;
}

std::vector<std::shared_ptr<Context>> Prefill::Finish() {
  const ModelDescription& d = model_->description;
  EngineLock lock(*model_->engine);
  CheckBetweenLayers();
  for (size_t i = 0; i < caches_.size(); ++i)
    if (static_cast<int>(caches_[i].size()) != d.layers)
      throw Error("KV_BUSY", "Plan " + std::to_string(i) + " has " +
                                 std::to_string(caches_[i].size()) + " of " +
                                 std::to_string(d.layers) + " layers compressed.");
  const auto logits = std::make_shared<Buffer>(model_->engine->device, sizeof(float) * d.vocab);
  LogitsOf(tokens() - 1, 1, nullptr, logits->floats());
  finished_ = true;
  std::vector<std::shared_ptr<Context>> contexts;
  for (size_t i = 0; i < caches_.size(); ++i) {
    contexts.push_back(
        std::make_shared<Context>(model_, std::move(caches_[i]), logits, stream_.prompt()));
    if (memory_.contexts.empty()) continue;
    const ContextMemory& its = memory_.contexts[i];
    const size_t growth = its.per_token * static_cast<size_t>(its.growth_tokens);
    contexts.back()->BeginGrowth(grant_.Split(its.cache + growth), its.per_token,
                                 tokens() + its.growth_tokens);
  }
  caches_.clear();
  hidden_.Free(), queries_before_.Free();
  now_ = Passed();
  held_.clear();
  grant_.Drop(grant_.bytes());
  open_.reset();
  return contexts;
}

}  // namespace qpkv
