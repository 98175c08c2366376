// Arguments of the ops that measure tokens and choose among them. Conventions: ops.h.
#pragma once
#include <cstdint>

#include "ops/precision.h"

namespace qpkv {

// Adds to `mass` the attention probability that every key receives from `rows` queries. Under
// kWindowBlock queries before tokens - block see all `tokens` keys and only the last `block` rows
// are causal (a released code's mask). Sums in float32.
enum class ObserveMask : uint8_t { kCausal, kWindowBlock };
struct ObserveAttentionArgs {
  const float* q;    // [rows, q_heads, dim], row stride q_stride
  const float* k;    // [kv_heads, capacity, dim]
  const float* lse;  // [q_heads, lse_stride] of these rows, or null: computed here
  float* mass;       // [q_heads, tokens], accumulated
  int rows, first, tokens, q_heads, kv_heads, dim, q_stride, lse_stride, capacity, window, block;
  float scale;
  ObserveMask mask;
  Precision precision = Precision::kF32;  // of q k^T only: kBf16 matches log-sum-exps that came
                                          // from a bf16 prefill, at half the time
  float cap = 0;                          // as in PrefillAttentionArgs
};

enum class KeyScore : uint8_t { kNorm, kSimilarity };
struct ObserveKeysArgs {
  const float* k;  // [heads, capacity, dim]
  float* scores;  // [heads, tokens]: norm, or cosine with the mean of the normalized keys (means in
                  // double)
  int heads, tokens, dim, capacity;
  KeyScore score;
};

enum class Reduce : uint8_t { kMean, kMax, kSum };
struct GroupScoresArgs {
  const float* mass;  // [heads * group, tokens]
  float* scores;      // [heads, tokens]
  int heads, group, tokens;
  Reduce reduce;
  float factor;  // applied afterwards: 1 / queries for a mean over queries
};

struct SmoothScoresArgs {
  const float* scores;  // [heads, stride], the first `tokens` used
  float* out;           // [heads, stride]; not scores
  int heads, tokens, stride, kernel;
  bool maximum;      // max pool, else mean
  bool count_zeros;  // mean divides by the kernel at the edges too
};

// The `keep` best of the candidates [candidates_begin, candidates_end) per head, plus all protected
// tokens outside: [first_begin, candidates_begin) and [candidates_end, tokens). Ties go to the
// lower position; NaN counts as an error (found != 0).
struct SelectArgs {
  const float* scores;  // [heads, stride]
  int32_t* kept;  // host [heads, keep_total]: positions, ascending, or by score then protected last
  int heads, tokens, stride, candidates_begin, candidates_end, first_begin;
  int keep;       // counts candidates only
  bool lowest;    // keep the lowest scores
  bool by_score;  // storage order
  int* nan_head;  // host: first head with a NaN score, or -1
};

}  // namespace qpkv
