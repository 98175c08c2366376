// Norms of vectors of any length: sums of sizes (1) or Euclidean (2).
#pragma once
#include "ops/statistic.h"

namespace qpkv {
namespace {

QPKV_INLINE float VectorNorm(const float* x, int dim, int norm) {
  F32x16 sum = Zero();
  for (int i = 0; i < dim; i += 16) {
    const F32x16 v = LoadN(x + i, dim - i);
    sum = norm == 1 ? Add(sum, Abs(v)) : Fma(v, v, sum);
  }
  const float total = ReduceAdd(sum);
  return norm == 1 ? total : __builtin_sqrtf(total);
}

// args.out[head, token] = norm of rows[head, token]; rows: [kv_heads, capacity, dim].
void RowNorms(Stream& stream, const StatisticArgs& args, const float* rows, int norm) {
  constexpr int kTokensPerUnit = 256;
  const int tokens = args.shape.tokens, dim = args.shape.dim;
  const int units = static_cast<int>(DivideUp(tokens, kTokensPerUnit));
  stream.ParallelFor(args.shape.kv_heads * units, [&](int unit, int) {
    const int head = unit / units, begin = unit % units * kTokensPerUnit;
    const int end = begin + kTokensPerUnit < tokens ? begin + kTokensPerUnit : tokens;
    for (int t = begin; t < end; ++t)
      args.out[static_cast<size_t>(head) * tokens + t] =
          VectorNorm(rows + (static_cast<size_t>(head) * args.capacity + t) * dim, dim, norm);
  });
}

}  // namespace
}  // namespace qpkv
