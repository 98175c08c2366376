// What statistics of single keys or values share: a thread per token, blocks (tokens, KV head).
#pragma once
#include "device/numbers.h"
#include "device/warp.h"
#include "ops/statistic.h"
#include "runtime/stream.h"

namespace qpkv {
namespace cuda {

constexpr int kRowThreads = 128;

// A row of [kv_heads, capacity, dim].
QPKV_DEVICE const float* RowOf(const float* rows, int capacity, int dim, int head, int token) {
  return rows + (static_cast<size_t>(head) * capacity + token) * dim;
}
QPKV_DEVICE int OwnToken() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }

QPKV_DEVICE float SquaresOf(const float* row, int dim) {
  float sum = 0;
  for (int i = 0; i < dim; ++i) sum = fmaf(row[i], row[i], sum);
  return sum;
}

inline dim3 TokenGrid(int tokens, int heads) {
  return dim3(BlocksFor(tokens, kRowThreads), static_cast<unsigned>(heads));
}

}  // namespace cuda
}  // namespace qpkv
