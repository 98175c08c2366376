// See pack_survivors.h.
#include "engine/pack_survivors.h"

namespace qpkv {
namespace {

constexpr Tensor kTensors[] = {Tensor::kKey, Tensor::kValue};

// The parts of one segment in one list, and the tokens they hold.
struct Range {
  size_t begin, end;  // parts
  int first, tokens;
};

Range RangeOf(const PartList& list, int segment) {
  Range range{list.EndOf(segment - 1), list.EndOf(segment), 0, 0};
  if (range.begin == range.end) return range;
  const StoredPart& last = list.parts[range.end - 1];
  range.first = list.parts[range.begin].first;
  range.tokens = last.first + last.tokens - range.first;
  return range;
}

class Packing {
 public:
  Packing(std::vector<HeadTokens>* tokens, PartStore* store, RunningState* running,
          Requantizer* requantizer)
      : tokens_(*tokens), store_(*store), running_(running), requantizer_(*requantizer) {}

  void Segment(int head, int segment);

 private:
  int SlotsFor(Tensor tensor, int segment, int tokens) const {
    const bool exact = store_.formats().Get(tensor, segment).bits == 16;
    return exact ? WholeBlocks(tokens) : tokens;
  }
  bool Worthwhile(int head, int segment, int survivors) const;
  void Rewrite(int head, Tensor tensor, int segment, const std::vector<int>& survivors);

  std::vector<HeadTokens>& tokens_;
  PartStore& store_;
  RunningState* running_;
  Requantizer& requantizer_;
};

bool Packing::Worthwhile(int head, int segment, int survivors) const {
  size_t held = 0, needed = 0;
  bool coded = false;
  for (Tensor tensor : kTensors) {
    const PartList& list = store_.list(head, tensor);
    const Range range = RangeOf(list, segment);
    for (size_t i = range.begin; i < range.end; ++i) held += list.parts[i].block->bytes;
    for (int done = 0; done < survivors; done += kTileTokens)
      needed += store_.PartBytes(
          tensor, segment, SlotsFor(tensor, segment, std::min(kTileTokens, survivors - done)));
    coded |= store_.formats().Get(tensor, segment).bits != 16;
  }
  return held >= (coded ? 4 : 2) * needed;
}

void Packing::Segment(int head, int segment) {
  const Range keys = RangeOf(store_.list(head, Tensor::kKey), segment);
  const Range values = RangeOf(store_.list(head, Tensor::kValue), segment);
  // Where keys and values leave `recent` by different rules, their segments hold different tokens.
  if (keys.tokens == 0 || keys.first != values.first || keys.tokens != values.tokens) return;
  HeadTokens& tokens = tokens_[head];
  std::vector<int> survivors;  // counted from the segment's first token
  for (int t = 0; t < keys.tokens; ++t)
    if (tokens.valid[keys.first + t]) survivors.push_back(t);
  if (survivors.empty() || static_cast<int>(survivors.size()) == keys.tokens ||
      !Worthwhile(head, segment, static_cast<int>(survivors.size())))
    return;
  for (int t = keys.tokens; t-- > 0;) {
    if (tokens.valid[keys.first + t]) continue;
    if (running_ != nullptr)
      running_->Erase(head, static_cast<int>(tokens.valid.size()), keys.first + t, 1);
    tokens.Erase(keys.first + t, 1);
  }
  for (Tensor tensor : kTensors) Rewrite(head, tensor, segment, survivors);
}

void Packing::Rewrite(int head, Tensor tensor, int segment, const std::vector<int>& survivors) {
  const PartList& list = store_.list(head, tensor);
  const Range range = RangeOf(list, segment);
  int row = 0;
  for (size_t i = range.begin; i < range.end; ++i) {
    const int at = requantizer_.Read(store_, tensor, list.parts[i]);
    if (i == range.begin) row = at;
  }
  store_.Erase(head, tensor, range.begin, range.end);
  const int count = static_cast<int>(survivors.size());
  for (int done = 0, n = 0; done < count; done += n) {
    n = std::min(kTileTokens, count - done);
    const size_t index = range.begin + static_cast<size_t>(done / kTileTokens);
    store_.Open(head, tensor, index, segment, SlotsFor(tensor, segment, n));
    std::vector<int32_t> rows;
    for (int i = done; i < done + n; ++i) rows.push_back(row + survivors[i]);
    Requantizer::Target target{tensor, &list.parts[index], 0, 0, n, std::move(rows)};
    // Holes are out of the host's lists already, and erasing later ones moves nothing before them.
    if (store_.needs(tensor).positions)
      target.positions = tokens_[head].stored_positions(range.first + done);
    requantizer_.Write(store_, std::move(target));
    store_.Extend(head, tensor, index, n);
  }
}

}  // namespace

void PackSurvivors(const LayerPlan& plan, std::vector<HeadTokens>* tokens, PartStore* store,
                   RunningState* running, Requantizer* requantizer) {
  Packing packing(tokens, store, running, requantizer);
  for (int head = 0; head < store->heads(); ++head) {
    if ((*tokens)[head].evicted == 0) continue;
    for (size_t segment = 0; segment < plan.segments.size(); ++segment)
      if (plan.segments[segment].role != Role::kSinks)
        packing.Segment(head, static_cast<int>(segment));
  }
}

}  // namespace qpkv
