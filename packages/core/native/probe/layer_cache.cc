// See layer_cache.h.
#include "probe/layer_cache.h"

#include <algorithm>
#include <cmath>

#include "engine/cache_step.h"
#include "engine/layer_forward.h"
#include "engine/step.h"

namespace qpkv {
namespace {

Buffer Upload(Engine& engine, const std::vector<float>& values) {
  Buffer buffer(engine.device, std::max<size_t>(values.size(), 1) * sizeof(float));
  engine.Upload(buffer.data(), values.data(), values.size() * sizeof(float));
  return buffer;
}

// What the plan observes, unless scores are given.
struct LayerScores {
  std::unique_ptr<ObservedLayer> layer;
  Buffer given;
  std::vector<const float*> stages;
  const float* evict = nullptr;
};

LayerScores ScoresOf(const std::shared_ptr<Engine>& engine, const LayerInput& input,
                     const LayerPlan& plan) {
  LayerScores scores;
  if (!input.scores.empty()) {
    scores.given = Upload(*engine, input.scores);
    scores.stages = {scores.given.floats()};
    scores.evict = scores.given.floats();
    return scores;
  }
  scores.layer = std::make_unique<ObservedLayer>(engine, input);
  Observer& observer = scores.layer->observer();
  const PlanHandles handles = WantPlan(observer, plan, input.shape.stored_heads(), input.user_end);
  scores.layer->Run();
  for (int handle : handles.stages) scores.stages.push_back(observer.Scores(handle));
  if (handles.evict >= 0) scores.evict = observer.Scores(handles.evict);
  return scores;
}

}  // namespace

LayerCache::LayerCache(std::shared_ptr<Engine> engine, const LayerInput& input,
                       std::shared_ptr<const LayerPlan> plan)
    : engine_(std::move(engine)),
      precision_(input.precision),
      scale_(LogitScale(input.shape.head_dim)) {
  EngineLock lock(*engine_);
  const LayerScores scores = ScoresOf(engine_, input, *plan);
  SelectionInput wanted;
  wanted.stages = scores.stages;
  wanted.heads = input.shape.stored_heads();
  wanted.tokens = input.tokens;
  wanted.window = input.shape.window;
  wanted.layer = 0;
  wanted.want_scores = true;
  selection_ = SelectTokens(*engine_, *plan, wanted);
  const Buffer keys = Upload(*engine_, input.k), values = Upload(*engine_, input.v);
  ExactTokens exact;
  exact.keys = keys.floats();
  exact.values = values.floats();
  exact.capacity = input.tokens;
  std::vector<std::unique_ptr<KvLayer>> layers;
  layers.push_back(std::make_unique<KvLayer>(engine_, std::move(plan), input.shape, RopeTable{},
                                             exact, selection_.kept, input.tokens, true));
  if (layers[0]->by_score()) {
    std::vector<float> start;  // empty: all are 0
    if (scores.evict != nullptr) {
      start.resize(static_cast<size_t>(input.shape.stored_heads()) * input.tokens);
      engine_->Download(start.data(), scores.evict, start.size() * sizeof(float));
    }
    layers[0]->StartScores(start, input.tokens);
  }
  cache_ = std::make_unique<KvCache>(std::move(layers));
}

void LayerCache::CheckUsable() const {
  if (broken_)
    throw Error("KV_NUMERIC", "An earlier step of this layer cache failed; make another.");
}

// The ops that `use` calls on the caches of one step, with what goes before and behind.
template <class Use>
void LayerCache::Run(int appended, const StepRows& rows, bool evict, const Use& use) {
  broken_ = true;
  CacheStep step(*engine_, {{cache_.get(), appended, rows}});
  step.MakeRoom();
  DeviceWrites writes;
  const size_t count = step.evicted();
  const Buffer device(engine_->device, (count + 1) * sizeof(int32_t));
  step.Sync(static_cast<int32_t*>(device.data()), &writes);
  writes.Run(*engine_);
  if (!step[0].error) use(step);
  CheckDevice(*engine_);
  std::vector<int32_t> evicted(evict ? count : 0);
  if (evict) step.FinishEviction(nullptr);
  if (!evicted.empty()) {
    engine_->Download(evicted.data(), device.data(), count * sizeof(int32_t));
    step.FinishEviction(evicted.data());
  }
  CheckDevice(*engine_);
  if (step[0].error) throw *step[0].error;
  broken_ = false;
}

void LayerCache::Append(const std::vector<float>& k, const std::vector<float>& v, int count) {
  EngineLock lock(*engine_);
  CheckUsable();
  const Buffer keys = Upload(*engine_, k), values = Upload(*engine_, v);
  const int dim = layer().shape().head_dim;
  StepRows rows;
  rows.rows = count;
  rows.keys = keys.floats();
  rows.values = values.floats();
  rows.kv_stride = dim;
  rows.kv_head_stride = count * dim;
  // Running scores know the new tokens only after their queries: attend() evicts then, as
  // generation does.
  Run(count, rows, !EvictionByScore(layer().plan()), [](CacheStep& step) { step.Append(0); });
}

std::vector<float> LayerCache::Attend(const std::vector<float>& q) {
  EngineLock lock(*engine_);
  CheckUsable();
  if (RopeBefore(layer().plan()))
    throw Error(
        "KV_UNSUPPORTED",
        "attend() needs keys stored after RoPE: a layer on its own knows no rotary frequencies.");
  const Buffer queries = Upload(*engine_, q);
  const Buffer out(engine_->device, q.size() * sizeof(float));
  const LayerShape& shape = layer().shape();
  StepRows rows;
  rows.q = queries.floats();
  rows.out = out.floats();
  rows.q_stride = rows.out_stride = shape.query_heads * shape.head_dim;
  std::vector<float> result(q.size());
  Run(0, rows, EvictionByScore(layer().plan()) != nullptr, [&](CacheStep& step) {
    step.KeepQueries(0, scale_);
    step.Attend(0, precision_, scale_);
    step.Evict(0);
    engine_->Download(result.data(), out.data(), q.size() * sizeof(float));
  });
  return result;
}

}  // namespace qpkv
