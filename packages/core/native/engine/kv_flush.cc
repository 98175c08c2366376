// How tokens leave `recent`: the oldest ones are read back exactly, coded once and become a tile of
// the packed segment. See kv_layer.h.
//
//   unified  when r + g tokens are there, the oldest g become one tile of g tokens, K and V alike
//            (g: the key group for scales per channel, else 16)
//   kivi     keys: when r are there, all of them are coded; values: beyond r, the oldest ones are
//            coded token by token into a value tile that has free slots. Scales per token make
//            that the same as coding them together.
//   never    they stay
#include <algorithm>

#include "engine/kv_layer.h"

namespace qpkv {

int KvLayer::FlushGroup(const SegmentPlan& packed) const {
  const TensorFormat& key = packed.key.format;
  return key.bits != 16 && key.scale_per == ScalePer::kChannel ? key.group : kLanes;
}

void KvLayer::Flush(int next_position) {
  ForgetHidden(next_position);
  Evict();
  const SegmentPlan* packed = plan_->Find(Role::kPacked);
  if (packed == nullptr || recent().tokens < 0 || plan_->residual == Residual::kNever) return;
  if (plan_->residual == Residual::kKivi && recent().tokens > 0)
    FlushKivi(*packed, recent().tokens);
  else
    FlushUnified(*packed, recent().tokens);
}

// Heads may hold different numbers of tokens (sliding windows, eviction), so each one is asked.
bool KvLayer::AnyRecent(Tensor tensor, int threshold) const {
  for (const KvHead& head : heads_)
    if (head.list(tensor).recent_tokens >= threshold) return true;
  return false;
}

void KvLayer::FlushUnified(const SegmentPlan& packed, int recent) {
  const int group = FlushGroup(packed);
  while (AnyRecent(Tensor::kKey, recent + group)) {
    FlushOldest(Tensor::kKey, packed, group, recent + group);
    FlushOldest(Tensor::kValue, packed, group, recent + group);
  }
}

void KvLayer::FlushKivi(const SegmentPlan& packed, int recent) {
  while (AnyRecent(Tensor::kKey, recent))
    for (int done = 0; done < recent; done += kTileTokens)
      FlushOldest(Tensor::kKey, packed, std::min(kTileTokens, recent - done), recent - done);
  while (AnyRecent(Tensor::kValue, recent + 1)) {
    int excess = kTileTokens;
    for (const KvHead& head : heads_)
      if (head.values.recent_tokens > recent)
        excess = std::min(excess, head.values.recent_tokens - recent);
    FlushValues(packed, excess, recent + excess);
  }
}

// Reads the oldest parts of `recent` that hold `count` tokens; returns how many tokens these parts
// hold.
int KvLayer::Gather(const PartList& list, Tensor tensor, int count, float* out) const {
  int read = 0;
  for (size_t i = static_cast<size_t>(list.recent_begin); read < count; ++i) {
    const Part& part = list.parts[i];
    UnpackArgs args{};
    args.part = part.data;
    args.tokens = part.tokens;
    args.part_tokens = part.part_tokens;
    args.dim = shape_.head_dim;
    args.tensor = tensor;
    args.format = part.format;
    args.needs = part.needs;
    args.values = out + static_cast<size_t>(read) * shape_.head_dim;
    engine_->ops.Unpack(engine_->stream, args);
    read += part.tokens;
  }
  return read;
}

// Positions as key parts hold them, from the head's token `index` on.
const int32_t* KvLayer::StoredPositions(const KvHead& head, int index) const {
  return (plan_->cache_positions ? head.indices.data() : head.positions.data()) + index;
}

void KvLayer::FlushOldest(Tensor tensor, const SegmentPlan& packed, int count, int threshold) {
  const TensorFormat& format = tensor == Tensor::kKey ? packed.key.format : packed.value.format;
  const int laid_out = format.bits == 16 ? static_cast<int>(AlignUp(count, kLanes)) : count;
  Recode(tensor, count, threshold,
         [&](PartList* list) { OpenPart(tensor, format, laid_out, list); });
}

// A new part at the end of the packed segment.
void KvLayer::OpenPart(Tensor tensor, const TensorFormat& format, int part_tokens, PartList* list) {
  BlockRef block;
  const Part part = NewPart(tensor, format, part_tokens, &block);
  list->Insert(static_cast<size_t>(list->recent_begin), part, std::move(block));
  ++list->recent_begin;
}

// Into the newest value tile while it has room; a full one is never touched again.
void KvLayer::FlushValues(const SegmentPlan& packed, int wanted, int threshold) {
  const TensorFormat& format = packed.value.format;
  // Outliers are counted per tile and scales per channel span tokens: such tiles hold what is there
  // and stay closed.
  const bool closed =
      format.outlier_fraction > 0 || (format.bits != 16 && format.scale_per == ScalePer::kChannel);
  const auto room = [&](const PartList& list) {
    if (closed || list.recent_begin == 0) return 0;
    const Part& last = list.parts[static_cast<size_t>(list.recent_begin) - 1];
    return last.format == &format ? last.part_tokens - last.tokens : 0;
  };
  int count = wanted;
  for (const KvHead& head : heads_)
    if (head.values.recent_tokens >= threshold && room(head.values) > 0)
      count = std::min(count, room(head.values));
  Recode(Tensor::kValue, count, threshold, [&](PartList* list) {
    if (room(*list) < count)
      return OpenPart(Tensor::kValue, format, closed ? count : kTileTokens, list);
    const size_t last = static_cast<size_t>(list->recent_begin) - 1;
    if (list->blocks[last].use_count() == 1) return;
    BlockRef copy = pool_->Take(list->blocks[last]->bytes);  // shared with a fork
    engine_->ops.Copy(engine_->stream, copy->data, list->blocks[last]->data, copy->bytes);
    list->parts[last].data = copy->data;
    list->blocks[last] = std::move(copy);
  });
}

void KvLayer::Recode(Tensor tensor, int count, int threshold,
                     const std::function<void(PartList*)>& open) {
  const int dim = shape_.head_dim;
  const Slot slot = tensor == Tensor::kKey ? Slot::kUnpackKeys : Slot::kUnpackValues;
  const size_t room = static_cast<size_t>(count + kTileTokens);  // the last part read may hold more
  float* scratch = engine_->Floats(slot, heads_.size() * room * dim);
  struct Masked {
    size_t head, part;
    int first;
  };
  std::vector<Masked> masks;
  std::vector<PackItem> items;
  for (size_t h = 0; h < heads_.size(); ++h) {
    PartList& list = heads_[h].list(tensor);
    if (list.recent_tokens < threshold) continue;
    float* values = scratch + h * room * dim;
    const int stored_before = list.tokens - list.recent_tokens;
    const int read = Gather(list, tensor, count, values);
    // The parts that were read make room for one with the tokens that stay.
    size_t end = static_cast<size_t>(list.recent_begin);
    for (int seen = 0; seen < read; ++end) seen += list.parts[end].tokens;
    const TensorFormat& exact = *list.parts[static_cast<size_t>(list.recent_begin)].format;
    list.Erase(static_cast<size_t>(list.recent_begin), end);
    open(&list);
    const size_t target = static_cast<size_t>(list.recent_begin) - 1;
    PackItem item{};
    item.source = values;
    item.positions = needs(tensor).positions ? StoredPositions(heads_[h], stored_before) : nullptr;
    item.tokens = count;
    item.first_slot = list.parts[target].tokens;
    item.part_tokens = list.parts[target].part_tokens;
    item.tensor = tensor;
    item.format = list.parts[target].format;
    item.needs = needs(tensor);
    item.out = list.blocks[target]->data;
    items.push_back(item);
    list.parts[target].tokens += count;
    list.recent_tokens -= count;
    if (tensor == Tensor::kKey && heads_[h].evicted > 0)
      masks.push_back({h, target, stored_before});
    if (read == count) continue;
    BlockRef block;
    Part rest = NewPart(tensor, exact, static_cast<int>(AlignUp(read - count, kLanes)), &block);
    rest.tokens = read - count;
    item.source = values + static_cast<size_t>(count) * dim;
    if (item.positions != nullptr) item.positions += count;
    item.tokens = rest.tokens;
    item.first_slot = 0;
    item.part_tokens = rest.part_tokens;
    item.format = &exact;
    item.out = block->data;
    items.push_back(item);
    list.Insert(static_cast<size_t>(list.recent_begin), rest, std::move(block));
    if (tensor == Tensor::kKey && heads_[h].evicted > 0)
      masks.push_back({h, target + 1, stored_before + count});
  }
  Pack(items);
  // Pack() marks all tokens of a part as valid.
  for (const Masked& masked : masks) UploadMask(&heads_[masked.head], masked.part, masked.first);
}

}  // namespace qpkv
