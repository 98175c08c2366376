// How tokens enter a layer's cache at its end and how they leave `recent`: the oldest ones are read
// back exactly, coded once and become a part of the last packed segment.
//
//   group         when r + g tokens are there, the oldest g become one part of g tokens, K and V
//                 alike (g: the key group for scales per channel, else 16)
//   block, token  keys: when r are there, all of them are coded; values: beyond r, the oldest ones
//                 are coded token by token into a value part that has free slots. Scales per token
//                 make that the same as coding them together.
//   never         they stay
#pragma once
#include <vector>

#include "engine/head_tokens.h"
#include "engine/part_store.h"
#include "engine/plan.h"
#include "engine/requantizer.h"

namespace qpkv {

// Indices of the plan's segments; -1: it has none.
struct Segments {
  int sinks = -1, packed = -1, recent = -1;  // packed: the last one, where later tokens go

  explicit Segments(const LayerPlan& plan);
};

// Tokens of a head that keeps `kept` in every segment, in the order of the plan: the same rule as
// segmentTokens() in packages/spec/src/plan/plan-bytes.ts.
std::vector<int> SegmentTokens(const LayerPlan& plan, Tensor tensor, int kept, size_t head);

// Of `stored` tokens that no sink takes, those that stay in `recent` at the end of prefill.
int RecentTokens(const LayerPlan& plan, Tensor tensor, int stored);

// Room for `count` exact tokens at the end of a head's list, owned by it, once the requantizer has
// run.
void MakeRoom(const LayerPlan& plan, const HeadTokens& tokens, int head, Tensor tensor, int count,
              PartStore* store, Requantizer* requantizer);

// Codes what is due in all heads. True: something was, and when the requantizer has run more may
// be.
bool CodeOldTokens(const LayerPlan& plan, const std::vector<HeadTokens>& tokens, PartStore* store,
                   Requantizer* requantizer);

}  // namespace qpkv
