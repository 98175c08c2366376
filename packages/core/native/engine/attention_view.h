// What a step's new tokens see of a layer's cache, and what a sliding window hides and frees. Pure:
// nothing is changed but what FreeHidden drops.
//
// Sliding windows. Kept tokens lie in position order (other orders are refused where windows are),
// so what a query no longer sees is a prefix of every head's list: its length comes from the
// positions on the host, per row, and is exact for whatever was pruned. Parts that no later query
// can see are freed.
#pragma once
#include <vector>

#include "engine/head_tokens.h"
#include "engine/layer_shape.h"
#include "engine/part_store.h"

namespace qpkv {

// Where the newest tokens of a sequence lie at one layer. Device memory.
struct StepRows {
  int rows = 1;
  const float* q = nullptr;  // [rows, queryHeads, headDim] after RoPE, row stride q_stride
  float* out = nullptr;      // [rows, queryHeads, headDim], row stride out_stride
  int q_stride = 0, out_stride = 0;
  const float* keys = nullptr;  // [rows, heads, headDim] with these strides, exact
  const float* values = nullptr;
  int kv_stride = 0, kv_head_stride = 0;
  bool per_stored_head = false;  // keys and values come per stored head, not per KV head
};

CacheItem ViewOf(const PartStore& store, const LayerShape& shape, const StepRows& rows);

// [heads, rows] first tokens that the newest rows do not see any more, the last of them at
// `last_position`; empty when every row sees the whole list.
std::vector<int32_t> HiddenTokens(const std::vector<HeadTokens>& tokens, int rows,
                                  int last_position, int window);

// Drops the parts of which no query at `next_position` or later sees anything.
void FreeHidden(int next_position, int window, std::vector<HeadTokens>* tokens, PartStore* store);

}  // namespace qpkv
