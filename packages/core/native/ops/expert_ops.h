// Arguments of the mixture of experts. Conventions: ops.h.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ops/dense_ops.h"

namespace qpkv {

// out += sum over the chosen experts e of p[e] * down[e](activation(gate[e]) * up[e]).
//
// Every row takes the `chosen` experts with the largest router logits, ties to the lower index. p
// is the softmax over all logits at the chosen ones, divided by their sum where `normalize` is set.
// The rows of a call are grouped by expert, so that each expert that any row chose is read once; a
// row adds up its experts in ascending order, whatever the other rows chose.
struct ExpertsArgs {
  const float* x;               // [rows, hidden]
  const float* router;          // [rows, experts] logits
  const PackedWeight* gate_up;  // [experts] of [2 * dim, hidden]: gate, then up
  const PackedWeight* down;     // [experts] of [hidden, dim]
  float* out;                   // [rows, hidden]
  void* scratch;                // [ExpertsScratch(rows, hidden, dim, chosen)] bytes
  int rows, hidden, dim, experts, chosen;
  bool normalize;
  Activation activation;
  Products products;
};

// Bytes that `Experts` works in: the rows of one expert and what they become, and every row's
// choice.
static inline size_t ExpertsScratch(int rows, int hidden, int dim, int chosen) {
  const size_t floats = 2 * static_cast<size_t>(hidden) + 3 * static_cast<size_t>(dim);
  return static_cast<size_t>(rows) *
         (floats * sizeof(float) + sizeof(int32_t) + chosen * (sizeof(float) + sizeof(int32_t)));
}

}  // namespace qpkv
