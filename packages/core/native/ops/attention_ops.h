// Arguments of the attention ops: prefill over exact K and V, decode over tiles. Conventions:
// ops.h.
#pragma once
#include <cstdint>

#include "ops/precision.h"
#include "ops/tile_ops.h"

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

// Attention of a few query rows over one head's cache. Row r sees the first visible[r] tokens
// (storage order).
struct DecodeItem {
  // [rows, dim] with row stride q_stride: the query heads of one stored head, for one or more
  // tokens; after RoPE in every case (keys stored before RoPE are turned by their own positions
  // while they are read).
  const float* q;
  float* out;                // [rows, dim] with row stride out_stride
  float* token_mass;         // [head.tokens] sum over rows of the probabilities, or null
  const int32_t* visible;    // host [rows], or null: all
  const int32_t* positions;  // host [rows]: of the queries, for keys stored before RoPE; else null.
                             // The CPU tables do not need them
  HeadView head;
  int rows, q_stride, out_stride;
  const int32_t* hidden = nullptr;  // host [rows], or null: row r does not see its first hidden[r]
                                    // tokens (sliding windows)
};
struct DecodeAttentionArgs {
  const DecodeItem* items;  // host [count]
  int count, dim;
  float scale;
  const float* inv_freq;  // [turned / 2], for keys stored before RoPE
  float rope_scale;
  Precision precision;  // kBf16: pair dots. Exact bf16 parts against two bf16 parts of each query
                        // and probability, codes against 16-bit words of them; sums in float32 or
                        // exact in int32. kF32: float32 throughout
  int turned;           // channels that turn, as in RopeArgs; for keys stored before RoPE
  float cap = 0;        // as in PrefillAttentionArgs
};

}  // namespace qpkv
