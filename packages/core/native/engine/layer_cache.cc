// See layer_cache.h.
#include "engine/layer_cache.h"

#include <algorithm>
#include <cmath>

#include "engine/layer_forward.h"

namespace qpkv {
namespace {

Buffer Upload(Engine& engine, const std::vector<float>& values) {
  Buffer buffer(engine.device, std::max<size_t>(values.size(), 1) * sizeof(float));
  engine.Upload(buffer.data(), values.data(), values.size() * sizeof(float));
  return buffer;
}

// What the plan observes, unless scores are given or another observation is asked for.
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
  PlanTickets tickets;
  if (input.score != nullptr) {
    tickets.stages = {observer.Want(
        *input.score, {input.shape.stored_heads(), input.protect_last, input.user_end})};
    tickets.evict = tickets.stages.front();
  } else {
    tickets = WantPlan(observer, plan, input.shape.stored_heads(), input.user_end);
  }
  scores.layer->Run();
  for (int ticket : tickets.stages) scores.stages.push_back(observer.Scores(ticket));
  if (tickets.evict >= 0) scores.evict = observer.Scores(tickets.evict);
  return scores;
}

}  // namespace

LayerCache::LayerCache(std::shared_ptr<Engine> engine, const LayerInput& input,
                       std::shared_ptr<const LayerPlan> plan)
    : engine_(std::move(engine)),
      precision_(input.precision),
      scale_(LogitScale(input.shape.head_dim)),
      tokens_(input.tokens) {
  std::lock_guard<FairMutex> lock(engine_->mutex);
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
  exact.capacity = exact.tokens = input.tokens;
  layer_ = std::make_unique<KvLayer>(engine_, std::move(plan), input.shape, RopeTable{}, exact,
                                     selection_.kept, true);
  if (layer_->plan().evict == Evict::kLowestScore && scores.evict != nullptr) {
    std::vector<float> start(static_cast<size_t>(input.shape.stored_heads()) * input.tokens);
    engine_->Download(start.data(), scores.evict, start.size() * sizeof(float));
    layer_->StartScores(start, input.tokens);
  }
}

void LayerCache::CheckUsable() const {
  if (broken_)
    throw Error("KV_NUMERIC", "An earlier step of this layer cache failed; make another.");
}

void LayerCache::Append(const std::vector<float>& k, const std::vector<float>& v, int count) {
  std::lock_guard<FairMutex> lock(engine_->mutex);
  CheckUsable();
  const Buffer keys = Upload(*engine_, k), values = Upload(*engine_, v);
  ExactTokens exact;
  exact.keys = keys.floats();
  exact.values = values.floats();
  exact.capacity = exact.tokens = count;
  exact.first_position = tokens_;
  broken_ = true;
  layer_->Append(exact);
  tokens_ += count;
  // Running scores know the new tokens only after their queries: attend() evicts then, as
  // generation does.
  if (layer_->plan().evict != Evict::kLowestScore) layer_->Flush(tokens_);
  broken_ = false;
}

std::vector<float> LayerCache::Attend(const std::vector<float>& q) {
  std::lock_guard<FairMutex> lock(engine_->mutex);
  CheckUsable();
  if (layer_->plan().RopeBefore())
    throw Error(
        "KV_UNSUPPORTED",
        "attend() needs keys stored after RoPE: a layer on its own knows no rotary frequencies.");
  const Buffer queries = Upload(*engine_, q);
  const Buffer out(engine_->device, q.size() * sizeof(float));
  const LayerShape& shape = layer_->shape();
  broken_ = true;
  layer_->Attend(queries.floats(), shape.query_heads * shape.head_dim, out.floats(), 1, tokens_ - 1,
                 precision_, scale_);
  std::vector<float> result(q.size());
  engine_->Download(result.data(), out.data(), q.size() * sizeof(float));
  if (layer_->plan().evict == Evict::kLowestScore) layer_->Flush(tokens_);
  broken_ = false;
  return result;
}

}  // namespace qpkv
