// Arguments of the attention ops: prefill over exact K and V, decode over tiles. Conventions:
// ops.h.
#pragma once
#include <cstdint>

#include "ops/cache_ops.h"
#include "ops/precision.h"

namespace qpkv {

// Exact causal attention of `rows` consecutive queries over the keys of one layer. Query row r has
// position first + r and sees keys [max(0, first + r + 1 - window), first + r + 1); window 0 = no
// sliding window.
struct PrefillAttentionArgs {
  const float* q;  // [rows, q_heads, dim] with row stride q_stride, after RoPE
  const float* k;  // [kv_heads, capacity, dim]
  const float* v;  // [kv_heads, capacity, dim]
  float* out;      // [rows, q_heads, dim]
  float* lse;      // [q_heads, rows] natural log of the sum of exp(scaled logits), or null
  int rows, first, q_heads, kv_heads, dim, q_stride, capacity, window;
  float scale;  // of the logits, usually 1 / sqrt(dim)
  Precision precision;
  float cap = 0;  // soft cap of the scaled logits: cap * tanh(logit / cap); 0: none
};

// Attention of the newest rows of every item over its cache. Row r sees the tokens up to its own,
// the first `hidden` and evicted ones left out; a row that sees nothing gives zeros. The query
// heads of a stored head share one read of its parts.
struct DecodeAttentionArgs {
  const CacheItem* items;  // [count]
  int count, dim;
  int most_heads, most_rows;  // of any item
  float scale;
  Precision precision;  // kBf16: pair dots. Exact bf16 parts against two bf16 parts of each query
                        // and probability, codes against 16-bit words of them; sums in float32 or
                        // exact in int32. kF32: float32 throughout
  float cap = 0;        // as in PrefillAttentionArgs
  int most_group = 1;   // query heads of a stored head, of any item
};

}  // namespace qpkv
