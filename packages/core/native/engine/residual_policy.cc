// See residual_policy.h.
#include "engine/residual_policy.h"

#include <algorithm>

namespace qpkv {
namespace {

using KeysLeave = plan::Residual::Keys;

// Exact parts are laid out in whole blocks, so that later tokens find the free slots.
int LaidOut(const TensorFormat& format, int tokens) {
  return format.bits == 16 ? WholeBlocks(tokens) : tokens;
}

// One flush of a layer: what all of its heads move at once. False: nothing is due.
class Flush {
 public:
  Flush(const LayerPlan& plan, const std::vector<HeadTokens>& tokens, PartStore* store,
        Requantizer* requantizer)
      : plan_(plan), segments_(plan), tokens_(tokens), store_(*store), requantizer_(*requantizer) {}

  bool Together();
  bool KeysByBlockValuesByToken();

 private:
  int recent() const { return FixedTokens(plan_.segments[segments_.recent]); }
  const TensorFormat& packed(Tensor tensor) const {
    return store_.formats().Get(tensor, segments_.packed);
  }
  int Held(int head, Tensor tensor) const {
    return store_.list(head, tensor).TokensBehind(segments_.packed);
  }
  // Heads may hold different numbers of tokens (shared slots, sliding windows, eviction), so each
  // one is asked.
  std::vector<int> HeadsWith(Tensor tensor, int threshold) const {
    std::vector<int> found;
    for (int head = 0; head < store_.heads(); ++head)
      if (Held(head, tensor) >= threshold) found.push_back(head);
    return found;
  }
  void FlushOldest(Tensor tensor, int count, const std::vector<int>& heads);
  void FlushValues(const std::vector<int>& heads);
  int FreeSlots(int head) const;

  // Rows that the requantizer reads, on their way into parts again.
  struct Rows {
    size_t part;  // where they were in the list
    int row;      // the next one of the requantizer
    int first;    // its token in the list
    int left;
  };
  Rows Take(int head, Tensor tensor, int count);
  void Put(int head, Tensor tensor, size_t index, int count, Rows* rows);
  void PutBack(int head, Tensor tensor, size_t index, Rows* rows);

  const LayerPlan& plan_;
  Segments segments_;
  const std::vector<HeadTokens>& tokens_;
  PartStore& store_;
  Requantizer& requantizer_;
};

bool Flush::Together() {
  const TensorFormat& key = packed(Tensor::kKey);
  const int group = key.bits != 16 && key.scale_per == ScalePer::kChannel ? key.group : kLanes;
  const std::vector<int> heads = HeadsWith(Tensor::kKey, recent() + group);
  FlushOldest(Tensor::kKey, group, heads);
  FlushOldest(Tensor::kValue, group, heads);
  return !heads.empty();
}

bool Flush::KeysByBlockValuesByToken() {
  const std::vector<int> by_block = HeadsWith(Tensor::kKey, recent());
  const std::vector<int> by_token = HeadsWith(Tensor::kValue, recent() + 1);
  FlushOldest(Tensor::kKey, recent(), by_block);
  if (!by_token.empty()) FlushValues(by_token);
  return !by_block.empty() || !by_token.empty();
}

void Flush::FlushOldest(Tensor tensor, int count, const std::vector<int>& heads) {
  for (int head : heads) {
    Rows rows = Take(head, tensor, count);
    size_t index = rows.part;
    for (int done = 0; done < count; done += kTileTokens, ++index) {
      const int n = std::min(kTileTokens, count - done);
      store_.Open(head, tensor, index, segments_.packed, LaidOut(packed(tensor), n));
      Put(head, tensor, index, n, &rows);
    }
    PutBack(head, tensor, index, &rows);
  }
}

// Free slots of the newest value part of the packed segment. Parts that do not
// take tokens singly (ops/tile_ops.h) hold what is there and stay closed.
int Flush::FreeSlots(int head) const {
  const TensorFormat& format = packed(Tensor::kValue);
  const PartList& list = store_.list(head, Tensor::kValue);
  const size_t end = list.EndOf(segments_.packed);
  if (!TakesTokensSingly(format)) return 0;
  if (end == 0 || list.parts[end - 1].segment != segments_.packed) return 0;
  return list.parts[end - 1].part_tokens - list.parts[end - 1].tokens;
}

// What all of these heads hold beyond `recent`, at most a tile, into the newest value part while it
// has room; a full one is never touched again.
void Flush::FlushValues(const std::vector<int>& heads) {
  const TensorFormat& format = packed(Tensor::kValue);
  const bool closed = !TakesTokensSingly(format);
  int count = kTileTokens;
  for (int head : heads) {
    count = std::min(count, Held(head, Tensor::kValue) - recent());
    if (FreeSlots(head) > 0) count = std::min(count, FreeSlots(head));
  }
  for (int head : heads) {
    const bool continued = FreeSlots(head) > 0;
    Rows rows = Take(head, Tensor::kValue, count);
    const size_t index = rows.part - (continued ? 1 : 0);
    if (continued)
      store_.Own(head, Tensor::kValue, index);
    else
      store_.Open(head, Tensor::kValue, index, segments_.packed, closed ? count : kTileTokens);
    Put(head, Tensor::kValue, index, count, &rows);
    PutBack(head, Tensor::kValue, index + 1, &rows);
  }
}

// Reads the parts that hold the oldest `count` recent tokens of a head, and takes them out.
Flush::Rows Flush::Take(int head, Tensor tensor, int count) {
  const PartList& list = store_.list(head, tensor);
  Rows rows{};
  rows.part = list.EndOf(segments_.packed);
  rows.first = list.parts[rows.part].first;
  size_t end = rows.part;
  for (int read = 0; read < count; ++end) {
    const int at = requantizer_.Read(store_, tensor, list.parts[end]);
    if (end == rows.part) rows.row = at;
    read += list.parts[end].tokens;
    rows.left = read;
  }
  store_.Erase(head, tensor, rows.part, end);
  return rows;
}

// The next `count` of them into the free slots of the part `index`.
void Flush::Put(int head, Tensor tensor, size_t index, int count, Rows* rows) {
  const HeadTokens& tokens = tokens_[head];
  const StoredPart& part = store_.list(head, tensor).parts[index];
  const bool positions = store_.needs(tensor).positions;
  requantizer_.Write(store_, {tensor,
                              &part,
                              part.tokens,
                              rows->row,
                              count,
                              {},
                              positions ? tokens.stored_positions(rows->first) : nullptr,
                              tensor == Tensor::kKey ? tokens.valid_from(rows->first) : nullptr});
  store_.Extend(head, tensor, index, count);
  rows->row += count;
  rows->first += count;
  rows->left -= count;
}

// What is left of them becomes one recent part again.
void Flush::PutBack(int head, Tensor tensor, size_t index, Rows* rows) {
  if (rows->left == 0) return;
  store_.Open(head, tensor, index, segments_.recent, WholeBlocks(rows->left));
  Put(head, tensor, index, rows->left, rows);
}

// Exact segments without a limit grow their last part by doubling until it has 128 slots. Reading
// an exact part back and storing it again changes no value.
void GrowLast(const HeadTokens& tokens, int head, Tensor tensor, int wanted, PartStore* store,
              Requantizer* requantizer) {
  const PartList& list = store->list(head, tensor);
  const size_t last = list.parts.size() - 1;
  const StoredPart old = list.parts[last];
  const int doubled = std::max(2 * old.part_tokens, WholeBlocks(old.tokens + wanted));
  const int row = requantizer->Read(*store, tensor, old);
  store->Erase(head, tensor, last, last + 1);
  store->Open(head, tensor, last, old.segment, std::min(kTileTokens, doubled));
  requantizer->Write(*store,
                     {tensor,
                      &list.parts[last],
                      0,
                      row,
                      old.tokens,
                      {},
                      store->needs(tensor).positions ? tokens.stored_positions(old.first) : nullptr,
                      nullptr});
  store->Extend(head, tensor, last, old.tokens);
}

// Of `packed` tokens of a head, as many as a tier is for; the last one: all.
int TierTokens(const SegmentPlan& tier, int packed, size_t head) {
  if (const auto* by_head = std::get_if<plan::TierCounts>(&tier.tokens))
    return head < by_head->counts.size() ? std::max(0, by_head->counts[head]) : 0;
  const auto* part = std::get_if<plan::TierShare>(&tier.tokens);
  return part ? static_cast<int>(part->share * packed) : packed;
}

}  // namespace

Segments::Segments(const LayerPlan& plan) {
  for (size_t i = 0; i < plan.segments.size(); ++i) {
    const Role role = plan.segments[i].role;
    (role == Role::kSinks ? sinks : role == Role::kPacked ? packed : recent) = static_cast<int>(i);
  }
  if (recent < 0)
    throw Error("KV_UNSUPPORTED", "The plan has no segment with role 'recent' for later tokens.");
  if (sinks > packed && packed >= 0)
    throw Error("KV_UNSUPPORTED", "The plan's segment 'sinks' comes after 'packed'.");
  if (recent != static_cast<int>(plan.segments.size()) - 1)
    throw Error("KV_UNSUPPORTED", "The plan's segment 'recent' is not the last one.");
}

std::vector<int> SegmentTokens(const LayerPlan& plan, Tensor tensor, int kept, size_t head) {
  const Segments at(plan);
  std::vector<int> counts(plan.segments.size(), 0);
  const auto count = [&](int segment) -> int& { return counts[segment]; };
  if (at.packed < 0) {
    count(at.recent) = kept;
    return counts;
  }
  int sinks = 0;
  if (at.sinks >= 0) {
    const int wanted = FixedTokens(plan.segments[at.sinks]);
    sinks = wanted < 0 ? kept : std::min(wanted, kept);
    count(at.sinks) = sinks;
  }
  count(at.recent) = RecentTokens(plan, tensor, kept - sinks);
  const int packed = kept - sinks - count(at.recent);
  int left = packed;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (plan.segments[i].role != Role::kPacked) continue;
    counts[i] = std::min(left, TierTokens(plan.segments[i], packed, head));
    left -= counts[i];
  }
  return counts;
}

int RecentTokens(const LayerPlan& plan, Tensor tensor, int stored) {
  const int window = FixedTokens(plan.segments[Segments(plan).recent]);
  if (window < 0) return stored;
  // Keys that leave by blocks: the newest that do not fill one stay.
  if (plan.residual.keys == KeysLeave::kBlock && tensor == Tensor::kKey && window > 0)
    return stored % window;
  return std::min(window, stored);
}

void MakeRoom(const LayerPlan& plan, const HeadTokens& tokens, int head, Tensor tensor, int count,
              PartStore* store, Requantizer* requantizer) {
  const int recent = Segments(plan).recent;
  // Tokens that will be coded soon lie in small parts; an exact cache grows its parts up to full
  // size.
  const bool unlimited =
      (FixedTokens(plan.segments[recent]) < 0 || plan.residual.keys == KeysLeave::kNever) &&
      !store->needs(Tensor::kKey).mask;
  const PartList& list = store->list(head, tensor);
  for (int left = count; left > 0;) {
    const auto last = [&]() -> const StoredPart& { return list.parts.back(); };
    const bool has_part = !list.parts.empty() && last().segment == recent;
    const bool grows = has_part && unlimited && last().part_tokens < kTileTokens &&
                       last().tokens + left > last().part_tokens;
    if (grows) GrowLast(tokens, head, tensor, left, store, requantizer);
    if (!has_part || last().tokens == last().part_tokens)
      store->Open(head, tensor, list.parts.size(), recent,
                  std::min(kTileTokens, WholeBlocks(left)));
    else if (!grows)  // the requantizer will write the part that has just been made
      store->Own(head, tensor, list.parts.size() - 1);
    const int room = std::min(left, last().part_tokens - last().tokens);
    store->Extend(head, tensor, list.parts.size() - 1, room);
    left -= room;
  }
}

bool CodeOldTokens(const LayerPlan& plan, const std::vector<HeadTokens>& tokens, PartStore* store,
                   Requantizer* requantizer) {
  const Segments segments(plan);
  const int recent = FixedTokens(plan.segments[segments.recent]);
  if (segments.packed < 0 || recent < 0 || plan.residual.keys == KeysLeave::kNever) return false;
  Flush flush(plan, tokens, store, requantizer);
  return plan.residual.keys == KeysLeave::kBlock && recent > 0 ? flush.KeysByBlockValuesByToken()
                                                               : flush.Together();
}

}  // namespace qpkv
