// See observer.h.
#include "engine/observer.h"

#include <algorithm>

namespace qpkv {

// One thing to measure: attention mass [queryHeads, tokens], or key scores [kvHeads, tokens].
struct Observer::Measure {
  Observe what = Observe::kAttention;
  int begin = 0, end = 0;  // observing queries
  ObserveMask mask = ObserveMask::kCausal;
  int block = 0;
  Buffer sums;

  bool Same(const Measure& other) const {
    return what == other.what && begin == other.begin && end == other.end && mask == other.mask &&
           block == other.block;
  }
};

Observer::Observer(std::shared_ptr<Engine> engine, LayerShape shape, int tokens, float logit_scale)
    : engine_(std::move(engine)), shape_(shape), tokens_(tokens), scale_(logit_scale) {}
Observer::~Observer() = default;

int Observer::Want(const Observation& observation, int protect_last, int user_end) {
  auto wanted = std::make_unique<Measure>();
  wanted->what = observation.what;
  if (observation.what == Observe::kAttention) {
    wanted->end =
        observation.before_user_end && user_end > 0 ? std::min(user_end, tokens_) : tokens_;
    wanted->begin =
        observation.last_queries == 0 ? 0 : std::max(0, wanted->end - observation.last_queries);
    if (observation.last_queries == 0) wanted->end = tokens_;
    // Queries inside the masked block are causal under either mask.
    if (observation.mask == ObserveMask::kWindowBlock && wanted->begin < tokens_ - protect_last) {
      wanted->mask = ObserveMask::kWindowBlock;
      wanted->block = protect_last;
      queries_.Ensure(engine_->device,
                      sizeof(float) * tokens_ * shape_.query_heads * shape_.head_dim);
    }
  }
  size_t found = 0;
  while (found < measures_.size() && !measures_[found]->Same(*wanted)) ++found;
  if (found == measures_.size()) {
    const bool attention = observation.what == Observe::kAttention;
    const int heads = attention ? shape_.query_heads : shape_.kv_heads;
    if (observation.what != Observe::kNothing) {
      const size_t bytes = sizeof(float) * heads * tokens_;
      engine_->ops.Zero(engine_->stream, wanted->sums.Ensure(engine_->device, bytes), bytes);
    }
    measures_.push_back(std::move(wanted));
  }
  wishes_.push_back({observation, static_cast<int>(found)});
  return static_cast<int>(wishes_.size()) - 1;
}

bool Observer::wants_attention() const {
  return std::any_of(measures_.begin(), measures_.end(),
                     [](const auto& measure) { return measure->what == Observe::kAttention; });
}

void Observer::AddChunk(const QueryChunk& chunk) {
  bool keep = false;
  for (const auto& measure : measures_) {
    if (measure->what != Observe::kAttention) continue;
    if (measure->mask == ObserveMask::kWindowBlock) {
      keep = true;
      continue;
    }
    const int begin = std::max(measure->begin, chunk.first),
              end = std::min(measure->end, chunk.first + chunk.rows);
    if (begin < end) Add(*measure, chunk, begin, end);
  }
  if (!keep) return;
  const size_t width = static_cast<size_t>(shape_.query_heads) * shape_.head_dim;
  for (int row = 0; row < chunk.rows; ++row)
    engine_->ops.Copy(engine_->stream, queries_.floats() + (chunk.first + row) * width,
                      chunk.q + static_cast<size_t>(row) * chunk.q_stride, width * sizeof(float));
}

void Observer::Add(Measure& measure, const QueryChunk& chunk, int begin, int end) {
  const int skipped = begin - chunk.first;
  ObserveAttentionArgs args{};
  args.q = chunk.q + static_cast<size_t>(skipped) * chunk.q_stride;
  args.k = chunk.k;
  args.lse = chunk.lse == nullptr ? nullptr : chunk.lse + skipped;
  args.mass = measure.sums.floats();
  args.rows = end - begin;
  args.first = begin;
  args.tokens = tokens_;
  args.q_heads = shape_.query_heads;
  args.kv_heads = shape_.kv_heads;
  args.dim = shape_.head_dim;
  args.q_stride = chunk.q_stride;
  args.lse_stride = chunk.rows;
  args.capacity = chunk.capacity;
  args.window = shape_.window;
  args.cap = shape_.cap;
  args.block = measure.block;
  args.scale = scale_;
  args.mask = measure.mask;
  engine_->ops.ObserveAttention(engine_->stream, args);
}

void Observer::Finish(const float* k, int capacity) {
  for (const auto& measure : measures_) {
    if (measure->what == Observe::kAttention && measure->mask == ObserveMask::kWindowBlock) {
      QueryChunk all{};
      all.q = queries_.floats();
      all.k = k;
      all.rows = tokens_;
      all.q_stride = shape_.query_heads * shape_.head_dim;
      all.capacity = capacity;
      Add(*measure, all, measure->begin, measure->end);
    } else if (measure->what == Observe::kKeyNorm || measure->what == Observe::kKeySimilarity) {
      ObserveKeysArgs args{};
      args.k = k;
      args.scores = measure->sums.floats();
      args.heads = shape_.kv_heads;
      args.tokens = tokens_;
      args.dim = shape_.head_dim;
      args.capacity = capacity;
      args.score = measure->what == Observe::kKeyNorm ? KeyScore::kNorm : KeyScore::kSimilarity;
      engine_->ops.ObserveKeys(engine_->stream, args);
    }
  }
}

Buffer Observer::Scores(int ticket, const LayerShape& shape) const {
  const Wish& wish = wishes_[static_cast<size_t>(ticket)];
  const Measure& measure = *measures_[static_cast<size_t>(wish.measure)];
  Buffer scores;
  if (measure.what == Observe::kNothing) return scores;
  const int heads = shape.stored_heads();
  const size_t row = sizeof(float) * tokens_;
  scores.Ensure(engine_->device, heads * row);
  if (measure.what != Observe::kAttention) {
    for (int head = 0; head < heads; ++head)
      engine_->ops.Copy(
          engine_->stream, scores.floats() + static_cast<size_t>(head) * tokens_,
          measure.sums.floats() + static_cast<size_t>(shape.SourceHead(head)) * tokens_, row);
    return scores;
  }
  GroupScoresArgs args{};
  args.mass = measure.sums.floats();
  args.scores = scores.floats();
  args.heads = heads;
  args.group = shape.group();
  args.tokens = tokens_;
  args.reduce = wish.observation.group;
  args.factor = wish.observation.mean_over_queries
                    ? 1.0f / static_cast<float>(measure.end - measure.begin)
                    : 1.0f;
  engine_->ops.GroupScores(engine_->stream, args);
  return scores;
}

}  // namespace qpkv
