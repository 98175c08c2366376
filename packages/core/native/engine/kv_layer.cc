// Building a layer's cache from exact values, and its byte counts. See kv_layer.h.
#include "engine/kv_layer.h"

#include <algorithm>

namespace qpkv {
namespace {

// Tokens of a segment of fixed length, out of those that are there; the same rule as
// segmentTokens() in packages/spec/src/plan/plan-bytes.ts.
int WantedTokens(const SegmentPlan* segment, int tokens) {
  if (segment == nullptr) return 0;
  return segment->tokens < 0 ? tokens : std::min(segment->tokens, tokens);
}

}  // namespace

KvLayer::KvLayer(std::shared_ptr<Engine> engine, std::shared_ptr<const LayerPlan> plan,
                 LayerShape shape, RopeTable rope, const ExactTokens& exact,
                 const std::vector<std::vector<int32_t>>& kept, bool track_positions)
    : engine_(std::move(engine)),
      plan_(std::move(plan)),
      shape_(shape),
      rope_(rope),
      needs_(plan_->Needs()),
      track_positions_(track_positions || needs_.positions || shape.window > 0),
      recent_(plan_->Find(Role::kRecent)),
      pool_(std::make_shared<BlockPool>(engine_->device)),
      heads_(static_cast<size_t>(shape.stored_heads())) {
  if (recent_ == nullptr)
    throw Error("KV_UNSUPPORTED", "The plan has no segment with role 'recent' for later tokens.");
  size_t bytes = 0;
  for (const std::vector<int32_t>& positions : kept)
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue}) {
      const int total = static_cast<int>(positions.size());
      const SegmentPlan* packed = plan_->Find(Role::kPacked);
      const SegmentPlan* sinks = plan_->Find(Role::kSinks);
      const int first = packed != nullptr ? WantedTokens(sinks, total) : 0;
      const int last = packed != nullptr ? RecentTokens(tensor, total - first) : total;
      const auto format = [&](const SegmentPlan& s) {
        return tensor == Tensor::kKey ? s.key.format : s.value.format;
      };
      if (first > 0) bytes += RunBytes(tensor, format(*sinks), first);
      if (packed != nullptr) bytes += RunBytes(tensor, format(*packed), total - first - last);
      bytes += RunBytes(tensor, format(recent()), last);
    }
  if (bytes > 0) pool_->Reserve(bytes);
  std::vector<PackItem> items;
  for (int head = 0; head < shape_.stored_heads(); ++head)
    BuildHead(head, kept[static_cast<size_t>(head)], exact, &items);
  Pack(items);
  planned_ = pool_->live();
}

int KvLayer::RecentTokens(Tensor tensor, int stored) const {
  const int window = recent().tokens;
  if (window < 0) return stored;
  // The KIVI rule keeps the newest keys that do not fill a block.
  if (plan_->residual == Residual::kKivi && tensor == Tensor::kKey && window > 0)
    return stored % window;
  return std::min(window, stored);
}

size_t KvLayer::RunBytes(Tensor tensor, const TensorFormat& format, int tokens) const {
  const auto part = [&](int count) {
    return LayoutOf(tensor, format, count, shape_.head_dim, needs(tensor)).bytes;
  };
  const int rest = tokens % kTileTokens;
  return static_cast<size_t>(tokens / kTileTokens) * part(kTileTokens) +
         (rest > 0 ? part(rest) : 0);
}

void KvLayer::BuildHead(int head, const std::vector<int32_t>& kept, const ExactTokens& exact,
                        std::vector<PackItem>* items) {
  const int total = static_cast<int>(kept.size());
  const SegmentPlan* packed = plan_->Find(Role::kPacked);
  const SegmentPlan* sinks = plan_->Find(Role::kSinks);
  const int first = packed != nullptr ? WantedTokens(sinks, total) : 0;
  KvHead& stored = heads_[static_cast<size_t>(head)];
  if (track_positions_) stored.positions = kept;
  if (needs_.mask) {
    stored.valid.assign(kept.size(), 1);
    stored.scores.assign(kept.size(), 0.0f);
  }
  if (plan_->cache_positions)
    for (int i = 0; i < total; ++i) stored.indices.push_back(i);
  next_index_ = std::max(next_index_, total);
  const int last_keys = packed != nullptr ? RecentTokens(Tensor::kKey, total - first) : total;
  const int last_values = packed != nullptr ? RecentTokens(Tensor::kValue, total - first) : total;
  BuildRun(head, sinks, kept.data(), first, kept.data(), first, exact, items);
  BuildRun(head, packed, kept.data() + first, total - first - last_keys, kept.data() + first,
           total - first - last_values, exact, items);
  stored.keys.recent_begin = static_cast<int>(stored.keys.parts.size());
  stored.values.recent_begin = static_cast<int>(stored.values.parts.size());
  stored.keys.recent_tokens = last_keys;
  stored.values.recent_tokens = last_values;
  BuildRun(head, &recent(), kept.data() + total - last_keys, last_keys,
           kept.data() + total - last_values, last_values, exact, items);
}

// The tokens of one segment, tile by tile: the key part and the value part of a tile lie behind one
// another.
void KvLayer::BuildRun(int head, const SegmentPlan* segment, const int32_t* kept_keys, int keys,
                       const int32_t* kept_values, int values, const ExactTokens& exact,
                       std::vector<PackItem>* items) {
  if (segment == nullptr) return;
  for (int done = 0; done < std::max(keys, values); done += kTileTokens) {
    if (done < keys)
      BuildPart(head, Tensor::kKey, segment->key.format, kept_keys + done,
                std::min(kTileTokens, keys - done), exact, items);
    if (done < values)
      BuildPart(head, Tensor::kValue, segment->value.format, kept_values + done,
                std::min(kTileTokens, values - done), exact, items);
  }
}

void KvLayer::BuildPart(int head, Tensor tensor, const TensorFormat& format, const int32_t* kept,
                        int tokens, const ExactTokens& exact, std::vector<PackItem>* items) {
  // Exact parts are laid out in whole blocks, so that later tokens find the free slots.
  const int laid_out = format.bits == 16 ? static_cast<int>(AlignUp(tokens, kLanes)) : tokens;
  BlockRef block;
  Part part = NewPart(tensor, format, laid_out, &block);
  KvHead& stored = heads_[static_cast<size_t>(head)];
  PartList& list = stored.list(tensor);
  items->push_back(ItemFor(tensor, part, block, SourceOf(head, tensor, exact),
                           needs(tensor).positions ? StoredPositions(stored, list.tokens) : nullptr,
                           tokens));
  items->back().index = kept;
  part.tokens = tokens;
  list.Insert(list.parts.size(), part, std::move(block));
  list.tokens += tokens;
}

const float* KvLayer::SourceOf(int head, Tensor tensor, const ExactTokens& exact) const {
  const int source = exact.per_stored_head ? head : shape_.SourceHead(head);
  return (tensor == Tensor::kKey ? exact.keys : exact.values) +
         static_cast<size_t>(source) * exact.capacity * shape_.head_dim;
}

PackItem KvLayer::ItemFor(Tensor tensor, const Part& part, const BlockRef& block,
                          const float* source, const int32_t* positions, int count) const {
  PackItem item{};
  item.source = source;
  item.positions = positions;
  item.tokens = count;
  item.first_slot = part.tokens;
  item.part_tokens = part.part_tokens;
  item.tensor = tensor;
  item.format = part.format;
  item.needs = part.needs;
  item.out = block->data;
  return item;
}

void KvLayer::Pack(const std::vector<PackItem>& items) {
  if (items.empty()) return;
  engine_->ops.Pack(engine_->stream,
                    {items.data(), static_cast<int>(items.size()), shape_.head_dim});
}

PartBytes KvLayer::Bytes() const {
  size_t own = 0;
  for (const KvHead& head : heads_) own += head.keys.Bytes() + head.values.Bytes();
  return {planned_, static_cast<long long>(own) - static_cast<long long>(planned_),
          pool_->mapped() - pool_->live()};
}

}  // namespace qpkv
