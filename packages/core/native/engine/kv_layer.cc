// See kv_layer.h.
#include "engine/kv_layer.h"

#include <algorithm>

#include "engine/lowest_anew.h"
#include "engine/pack_survivors.h"

namespace qpkv {

KvLayer::KvLayer(std::shared_ptr<Engine> engine, std::shared_ptr<const LayerPlan> plan,
                 LayerShape shape, RopeTable rope, const ExactTokens& exact,
                 const std::vector<std::vector<int32_t>>& kept, int tokens, bool track_positions)
    : engine_(std::move(engine)),
      plan_(std::move(plan)),
      shape_(shape),
      rope_(rope),
      segments_(*plan_),
      track_positions_(track_positions || NeedsOf(*plan_).positions || shape.window > 0),
      store_(engine_, std::make_shared<FormatTable>(engine_, *plan_), shape.stored_heads(),
             shape.head_dim, NeedsOf(*plan_)),
      tokens_(static_cast<size_t>(shape.stored_heads())),
      running_(engine_),
      next_position_(tokens) {
  size_t bytes = store_.formats().Form(Tensor::kKey).center ? store_.MeanBytes() : 0;
  for (size_t head = 0; head < kept.size(); ++head)
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue}) {
      const std::vector<int> counts =
          SegmentTokens(*plan_, tensor, static_cast<int>(kept[head].size()), head);
      for (size_t i = 0; i < counts.size(); ++i)
        bytes += RunBytes(tensor, static_cast<int>(i), counts[i]);
    }
  if (bytes > 0) store_.Reserve(bytes);
  if (store_.formats().Form(Tensor::kKey).center) {
    if (exact.taken == 0)
      Center(kept, exact);
    else
      engine_->ops.Copy(engine_->stream, store_.OpenMeans(), exact.from->store().means(),
                        store_.MeanBytes());
  }
  std::vector<PackItem> items;
  for (int head = 0; head < shape_.stored_heads(); ++head)
    BuildHead(head, kept[head], exact, &items);
  if (!items.empty())
    engine_->ops.Pack(engine_->stream, {OnHost<const PackItem>(items.data()),
                                        static_cast<int>(items.size()), shape_.head_dim});
  planned_ = store_.bytes();
  for (int head = 0; head < shape_.stored_heads() && exact.taken > 0; ++head)
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue}) {
      // What is taken over may lie in smaller parts than the plan counts.
      const std::vector<int32_t> counts = SegmentCounts(head, tensor);
      for (int i = 0; i < exact.taken; ++i) planned_ += RunBytes(tensor, i, counts[i]);
      for (const StoredPart& part : store_.list(head, tensor).parts)
        if (part.segment < exact.taken) planned_ -= part.block->bytes;
    }
  OpenQueries();
}

// The first segments of another layer, part by part.
void KvLayer::TakeSegments(int head, const ExactTokens& exact) {
  for (Tensor tensor : {Tensor::kKey, Tensor::kValue}) {
    const PartList& list = exact.from->store().list(head, tensor);
    const size_t end = list.EndOf(exact.taken - 1);
    for (size_t i = 0; i < end; ++i) {
      const StoredPart& part = list.parts[i];
      const StoredPart& copy = store_.Open(head, tensor, i, part.segment, part.part_tokens);
      engine_->ops.Copy(engine_->stream, copy.block->data, part.block->data, part.block->bytes);
      store_.Extend(head, tensor, i, part.tokens);
    }
  }
}

void KvLayer::OpenQueries() {
  if (!MeasuresAnew(*plan_)) return;
  const plan::ScoreEviction& evict = *EvictionByScore(*plan_);
  const int queries = QueriesOf(*evict.by);
  if (shape_.window > 0 || shape_.per_query_head || queries > evict.every)
    throw Error("KV_UNSUPPORTED",
                "evict.measure 'anew' needs layers without a sliding window, lists per KV head, "
                "and at least as many tokens between evictions as queries observe.");
  newest_.emplace(engine_, queries, shape_.query_heads * shape_.head_dim);
}

void KvLayer::KeepQueries(const StepRows& rows, float logit_scale) {
  newest_->Add(rows);
  logit_scale_ = logit_scale;
}

// Means of the keys that are kept, by which all keys of a head are stored from now on.
void KvLayer::Center(const std::vector<std::vector<int32_t>>& kept, const ExactTokens& exact) {
  float* means = store_.OpenMeans();
  std::vector<MeanItem> items;
  for (int head = 0; head < shape_.stored_heads(); ++head) {
    const std::vector<int32_t>& rows = (exact.rows ? *exact.rows : kept)[head];
    items.push_back({HeadOf(head, Tensor::kKey, exact), OnHost(rows.data()),
                     static_cast<int>(rows.size()), means + Elements(head, shape_.head_dim)});
  }
  engine_->ops.MeanTokens(engine_->stream, {OnHost<const MeanItem>(items.data()),
                                            static_cast<int>(items.size()), shape_.head_dim});
}

// [.., headDim] exact rows of one stored head.
const float* KvLayer::HeadOf(int head, Tensor tensor, const ExactTokens& exact) const {
  const int source = exact.per_stored_head ? head : shape_.SourceHead(head);
  return (tensor == Tensor::kKey ? exact.keys : exact.values) +
         Elements(source, exact.capacity, shape_.head_dim);
}

size_t KvLayer::RunBytes(Tensor tensor, int segment, int tokens) const {
  const int rest = tokens % kTileTokens;
  return static_cast<size_t>(tokens / kTileTokens) *
             store_.PartBytes(tensor, segment, kTileTokens) +
         (rest > 0 ? store_.PartBytes(tensor, segment, rest) : 0);
}

void KvLayer::BuildHead(int head, const std::vector<int32_t>& kept, const ExactTokens& exact,
                        std::vector<PackItem>* items) {
  HeadTokens& tokens = tokens_[head];
  if (track_positions_) tokens.positions = kept;
  if (NeedsOf(*plan_).mask) tokens.valid.assign(kept.size(), 1);
  if (CachePositions(*plan_)) {  // ranks by position
    std::vector<int32_t> order = kept;
    std::sort(order.begin(), order.end());
    for (int32_t position : kept)
      tokens.indices.push_back(static_cast<int32_t>(
          std::lower_bound(order.begin(), order.end(), position) - order.begin()));
  }
  const int total = static_cast<int>(kept.size());
  next_index_ = std::max(next_index_, total);
  const size_t at = static_cast<size_t>(head);
  const std::vector<int> keys = SegmentTokens(*plan_, Tensor::kKey, total, at),
                         values = SegmentTokens(*plan_, Tensor::kValue, total, at);
  const std::vector<int32_t>& rows = exact.rows ? (*exact.rows)[at] : kept;
  const int32_t *next_key = rows.data(), *next_value = rows.data();
  if (exact.taken > 0) TakeSegments(head, exact);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i >= static_cast<size_t>(exact.taken))
      BuildRun(head, static_cast<int>(i), next_key, keys[i], next_value, values[i], exact, items);
    next_key += keys[i];
    next_value += values[i];
  }
}

// The tokens of one segment, tile by tile: the key part and the value part of a tile lie behind one
// another.
void KvLayer::BuildRun(int head, int segment, const int32_t* key_rows, int keys,
                       const int32_t* value_rows, int values, const ExactTokens& exact,
                       std::vector<PackItem>* items) {
  if (segment < 0) return;
  for (int done = 0; done < std::max(keys, values); done += kTileTokens) {
    if (done < keys)
      BuildPart(head, Tensor::kKey, segment, key_rows + done, std::min(kTileTokens, keys - done),
                exact, items);
    if (done < values)
      BuildPart(head, Tensor::kValue, segment, value_rows + done,
                std::min(kTileTokens, values - done), exact, items);
  }
}

void KvLayer::BuildPart(int head, Tensor tensor, int segment, const int32_t* rows, int tokens,
                        const ExactTokens& exact, std::vector<PackItem>* items) {
  // Exact parts are laid out in whole blocks, so that later tokens find the free slots.
  const bool whole = store_.formats().Get(tensor, segment).bits == 16;
  const size_t index = store_.list(head, tensor).parts.size();
  const StoredPart& part =
      store_.Open(head, tensor, index, segment, whole ? WholeBlocks(tokens) : tokens);
  PackItem item{};
  item.shape = store_.ShapeOf(tensor, part);
  item.out = part.block->data;
  item.source = HeadOf(head, tensor, exact);
  item.transform = store_.TransformOf(tensor);
  if (item.transform.means != nullptr) item.transform.means += Elements(head, shape_.head_dim);
  item.index = OnHost(rows);
  if (store_.needs(tensor).positions)
    item.positions = OnHost(tokens_[head].stored_positions(part.first));
  item.tokens = tokens;
  items->push_back(item);
  store_.Extend(head, tensor, index, tokens);
}

void KvLayer::StartScores(const std::vector<float>& scores, int tokens) {
  if (!by_score()) return;
  std::vector<std::vector<float>> start(tokens_.size());
  for (size_t h = 0; h < tokens_.size(); ++h)
    for (int32_t position : tokens_[h].positions)
      start[h].push_back(
          scores.empty() ? 0 : scores[Elements(h, tokens) + static_cast<size_t>(position)]);
  running_.Start(std::move(start));
}

void KvLayer::MakeRoom(int rows, Requantizer* requantizer) {
  for (int head = 0; head < store_.heads(); ++head)
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
      qpkv::MakeRoom(*plan_, tokens_[head], head, tensor, rows, &store_, requantizer);
}

void KvLayer::Enter(int rows) {
  for (HeadTokens& head : tokens_)
    head.Append(rows, next_position_, next_index_, track_positions_, CachePositions(*plan_),
                NeedsOf(*plan_).mask);
  next_position_ += rows;
  next_index_ += rows;
}

void KvLayer::Sync(int rows, DeviceWrites* writes, ScoreMoves* moves) {
  store_.Sync(writes, next_position_ - 1, next_index() - 1);
  const std::vector<int32_t> hidden =
      HiddenTokens(tokens_, std::max(rows, 1), next_position_ - 1, shape_.window);
  hides_ = !hidden.empty();
  if (hides_) {
    hidden_.Ensure(engine_->device, hidden.size() * sizeof(int32_t));
    writes->Add(hidden_.data(), hidden.data(), hidden.size() * sizeof(int32_t));
  }
  if (!by_score()) return;
  int most = 0;
  for (int head = 0; head < store_.heads(); ++head) most = std::max(most, store_.tokens(head));
  running_.Sync(tokens_, rows, most, writes, moves);
}

CacheItem KvLayer::Item(const StepRows& rows, int32_t* evicted) const {
  CacheItem item = ViewOf(store_, shape_, rows);
  item.inv_freq = rope_.inv_freq;
  item.rope_scale = rope_.scale;
  item.rotary_dim = rope_.rotary_dim;
  if (hides_) item.hidden = static_cast<const int32_t*>(hidden_.data());
  if (!by_score()) return item;
  item.token_mass = running_.mass();
  item.mass_stride = running_.stride();
  item.running = running_.View();
  item.running.evicted = evicted;
  item.running.evicted_stride = evicted_stride();
  item.running.capacity = Capacity(*plan_);
  item.running.protect_first = plan_->protect.first;
  item.running.protect_last = plan_->protect.last;
  // Like the observed scores (a maximum over query heads, which has no running form, by their
  // mean).
  item.running.factor = SumsQueryHeads(*EvictionByScore(*plan_)->by)
                            ? 1.0f
                            : 1.0f / static_cast<float>(shape_.group());
  return item;
}

int KvLayer::evicted_stride() const {
  int most = 0;
  for (const HeadTokens& head : tokens_)
    if (by_score()) most = std::max(most, MaxEvicted(*plan_, head));
  return most;
}

void KvLayer::TakeOut(const int32_t* evicted, std::vector<MarkItem>* marks) {
  // Eviction frees parts by its own rule.
  if (shape_.window > 0 && !NeedsOf(*plan_).mask)
    FreeHidden(next_position_, shape_.window, &tokens_, &store_);
  std::vector<std::vector<int>> leaving(tokens_.size());
  if (newest_)
    leaving = LowestAnew(engine_, *plan_, {shape_, store_, tokens_, *newest_, logit_scale_});
  const int stride = evicted_stride();
  for (size_t h = 0; h < tokens_.size(); ++h) {
    if (EvictsOldest(*plan_)) leaving[h] = OldestTokens(*plan_, tokens_[h]);
    for (int i = 0; evicted != nullptr && i < stride; ++i) {
      const int32_t slot = evicted[Elements(h, stride) + static_cast<size_t>(i)];
      if (slot < 0) break;
      leaving[h].push_back(slot);
    }
  }
  qpkv::TakeOut(leaving, &tokens_, &store_, marks);
}

void KvLayer::PackSurvivors(Requantizer* requantizer) {
  if (!Evicts(*plan_)) return;
  RunningState* running = by_score() ? &running_ : nullptr;
  FreeEmptyParts(&tokens_, &store_, running);
  qpkv::PackSurvivors(*plan_, &tokens_, &store_, running, requantizer);
}

bool KvLayer::CodeOldTokens(Requantizer* requantizer) {
  if (held_) return false;
  return qpkv::CodeOldTokens(*plan_, tokens_, &store_, requantizer);
}

bool KvLayer::KeepsAll() const {
  const FormatTable& formats = store_.formats();
  if (Evicts(*plan_) || plan_->segments.size() != 1 || formats.Form(Tensor::kKey).center)
    return false;
  for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
    if (formats.Get(tensor, segments_.recent).bits != 16) return false;
  for (int head = 0; head < store_.heads(); ++head) {
    const std::vector<int32_t>& positions = tokens_[head].positions;
    if (store_.tokens(head) != next_position_ ||
        !std::is_sorted(positions.begin(), positions.end()))
      return false;
  }
  return true;
}

void KvLayer::KeepFirst(int tokens) {
  for (int head = 0; head < store_.heads(); ++head) {
    tokens_[head].Erase(tokens, next_position_ - tokens);
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue}) store_.KeepFirst(head, tensor, tokens);
  }
  next_position_ = next_index_ = tokens;
}

int KvLayer::kept_tokens(int head) const { return store_.tokens(head) - tokens_[head].evicted; }

std::vector<int32_t> KvLayer::KeptPositions(int head) const {
  const HeadTokens& from = tokens_[head];
  std::vector<int32_t> kept;
  for (size_t i = 0; i < from.positions.size(); ++i)
    if (from.valid.empty() || from.valid[i]) kept.push_back(from.positions[i]);
  return kept;
}

std::vector<int32_t> KvLayer::Positions(int head, const std::vector<int32_t>& kept,
                                        int kept_of) const {
  const HeadTokens& from = tokens_[head];
  std::vector<int32_t> all = track_positions_ ? from.positions : kept;
  for (int later = kept_of; !track_positions_ && later < next_position_; ++later)
    all.push_back(later);
  for (size_t i = 0; i < from.valid.size(); ++i)
    if (!from.valid[i]) all[i] = -1;
  return all;
}

std::vector<int32_t> KvLayer::SegmentCounts(int head, Tensor tensor) const {
  std::vector<int32_t> counts(plan_->segments.size(), 0);
  for (const StoredPart& part : store_.list(head, tensor).parts)
    counts[part.segment] += part.tokens;
  return counts;
}

std::vector<float> KvLayer::Values(int head, Tensor tensor) const {
  return ReadValues(*engine_, store_, head, tensor);
}

PartBytes KvLayer::Bytes() const {
  return {planned_, static_cast<long long>(store_.bytes()) - static_cast<long long>(planned_),
          store_.unused()};
}

std::vector<PartExport> KvLayer::Export(int head, Tensor tensor) const {
  return ExportParts(*engine_, store_, head, tensor, tokens_[head]);
}

void KvLayer::Scramble(uint64_t seed) { ScrambleParts(*engine_, seed, tokens_, &store_); }

}  // namespace qpkv
