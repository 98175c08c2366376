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

// Heads may hold different numbers of tokens (shared places, sliding windows, eviction), so each
// one is asked.
std::vector<size_t> KvLayer::HeadsWithRecent(Tensor tensor, int threshold) const {
  std::vector<size_t> found;
  for (size_t h = 0; h < heads_.size(); ++h)
    if (heads_[h].list(tensor).recent_tokens >= threshold) found.push_back(h);
  return found;
}

void KvLayer::FlushUnified(const SegmentPlan& packed, int recent) {
  const int group = FlushGroup(packed);
  for (;;) {
    const std::vector<size_t> heads = HeadsWithRecent(Tensor::kKey, recent + group);
    if (heads.empty()) return;
    FlushOldest(Tensor::kKey, packed, group, heads);
    FlushOldest(Tensor::kValue, packed, group, heads);
  }
}

void KvLayer::FlushKivi(const SegmentPlan& packed, int recent) {
  for (;;) {
    const std::vector<size_t> heads = HeadsWithRecent(Tensor::kKey, recent);
    if (heads.empty()) break;
    // A block longer than a tile: the heads that are due stay the same for all of its tiles.
    for (int done = 0; done < recent; done += kTileTokens)
      FlushOldest(Tensor::kKey, packed, std::min(kTileTokens, recent - done), heads);
  }
  for (;;) {
    const std::vector<size_t> heads = HeadsWithRecent(Tensor::kValue, recent + 1);
    if (heads.empty()) break;
    FlushValues(packed, recent, heads);
  }
}

// Reads the oldest parts of `recent` that hold `count` tokens; returns how many tokens these parts
// hold.
int KvLayer::Gather(const PartList& list, Tensor tensor, int count, float* out) const {
  int read = 0;
  for (size_t i = static_cast<size_t>(list.recent_begin); read < count; ++i) {
    ReadValues(tensor, list.parts[i], out + static_cast<size_t>(read) * shape_.head_dim);
    read += list.parts[i].tokens;
  }
  return read;
}

// Positions as key parts hold them, from the head's token `index` on.
const int32_t* KvLayer::StoredPositions(const KvHead& head, int index) const {
  return (plan_->cache_positions ? head.indices.data() : head.positions.data()) + index;
}

void KvLayer::FlushOldest(Tensor tensor, const SegmentPlan& packed, int count,
                          const std::vector<size_t>& heads) {
  const TensorFormat& format = tensor == Tensor::kKey ? packed.key.format : packed.value.format;
  const int laid_out = format.bits == 16 ? static_cast<int>(AlignUp(count, kLanes)) : count;
  Recode(tensor, count, heads, [&](PartList* list) { OpenPart(tensor, format, laid_out, list); });
}

// A new part at the end of the packed segment.
void KvLayer::OpenPart(Tensor tensor, const TensorFormat& format, int part_tokens, PartList* list) {
  BlockRef block;
  const Part part = NewPart(tensor, format, part_tokens, &block);
  list->Insert(static_cast<size_t>(list->recent_begin), part, std::move(block));
  ++list->recent_begin;
}

// What all of these heads hold beyond `recent`, at most a tile, into the newest value tile while it
// has room; a full one is never touched again.
void KvLayer::FlushValues(const SegmentPlan& packed, int recent, const std::vector<size_t>& heads) {
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
  int count = kTileTokens;
  for (size_t h : heads) {
    const PartList& list = heads_[h].values;
    count = std::min(count, list.recent_tokens - recent);
    if (room(list) > 0) count = std::min(count, room(list));
  }
  Recode(Tensor::kValue, count, heads, [&](PartList* list) {
    if (room(*list) < count)
      return OpenPart(Tensor::kValue, format, closed ? count : kTileTokens, list);
    MakeWritable(list, static_cast<size_t>(list->recent_begin) - 1);
  });
}

void KvLayer::Recode(Tensor tensor, int count, const std::vector<size_t>& heads,
                     const std::function<void(PartList*)>& open) {
  const int dim = shape_.head_dim;
  const Slot slot = tensor == Tensor::kKey ? Slot::kUnpackKeys : Slot::kUnpackValues;
  const size_t room = static_cast<size_t>(count + kTileTokens);  // the last part read may hold more
  float* scratch = engine_->Floats(slot, heads.size() * room * dim);
  struct Masked {
    size_t head, part;
    int first;
  };
  std::vector<Masked> masks;
  std::vector<PackItem> items;
  for (size_t i = 0; i < heads.size(); ++i) {
    KvHead& head = heads_[heads[i]];
    PartList& list = head.list(tensor);
    const size_t begin = static_cast<size_t>(list.recent_begin);
    const bool masked = tensor == Tensor::kKey && head.evicted > 0;
    float* values = scratch + i * room * dim;  // [room, headDim]
    const int first = list.tokens - list.recent_tokens;
    const int32_t* positions = needs(tensor).positions ? StoredPositions(head, first) : nullptr;
    const int read = Gather(list, tensor, count, values);
    // The parts that were read make room for one with the tokens that stay.
    size_t end = begin;
    for (int seen = 0; seen < read; ++end) seen += list.parts[end].tokens;
    const TensorFormat& exact = *list.parts[begin].format;
    list.Erase(begin, end);
    open(&list);
    const size_t target = static_cast<size_t>(list.recent_begin) - 1;
    items.push_back(
        ItemFor(tensor, list.parts[target], list.blocks[target], values, positions, count));
    list.parts[target].tokens += count;
    list.recent_tokens -= count;
    if (masked) masks.push_back({heads[i], target, first});
    if (read == count) continue;
    BlockRef block;
    Part rest = NewPart(tensor, exact, static_cast<int>(AlignUp(read - count, kLanes)), &block);
    items.push_back(ItemFor(tensor, rest, block, values + static_cast<size_t>(count) * dim,
                            positions == nullptr ? nullptr : positions + count, read - count));
    rest.tokens = read - count;
    list.Insert(target + 1, rest, std::move(block));
    if (masked) masks.push_back({heads[i], target + 1, first + count});
  }
  Pack(items);
  // Pack() marks all tokens of a part as valid.
  for (const Masked& masked : masks) UploadMask(&heads_[masked.head], masked.part, masked.first);
}

}  // namespace qpkv
