// Attention of observing queries as statistics see it: one more product of queries and keys.
#pragma once
#include "device/numbers.h"
#include "device/warp.h"
#include "kernels/activation.h"
#include "ops/statistic.h"
#include "runtime/stream.h"

namespace qpkv {
namespace cuda {

// Queries of one layer, at consecutive positions.
struct ObservedRows {
  StatisticShape shape;
  const float* q;    // [rows, q_heads, dim], row stride q_stride
  const float* k;    // [kv_heads, capacity, dim]
  const float* lse;  // [q_heads, lse_stride]
  int first, rows, q_stride, lse_stride, capacity;
  int block;  // queries before the last `block` tokens see all keys; below 0: none do
  float scale;
  bool round;  // factors to bf16

  QPKV_ON_DEVICE int KvHead(int head) const { return head / (shape.q_heads / shape.kv_heads); }
  QPKV_ON_DEVICE const float* Key(int head, int token) const {
    return k + (static_cast<size_t>(KvHead(head)) * capacity + token) * shape.dim;
  }
  QPKV_ON_DEVICE const float* Query(int head, int row) const {
    return q + static_cast<size_t>(row) * q_stride + static_cast<size_t>(head) * shape.dim;
  }
  // A row looks at keys [FirstKey, EndKey).
  QPKV_ON_DEVICE int FirstKey(int row) const {
    const int begin = first + row + 1 - shape.window;
    return shape.window > 0 && begin > 0 ? begin : 0;
  }
  QPKV_ON_DEVICE int EndKey(int row) const {
    return block >= 0 && first + row < shape.tokens - block ? shape.tokens : first + row + 1;
  }
};

QPKV_DEVICE float DotOf(const float* a, const float* b, int dim, bool round) {
  float sum = 0;
  for (int i = 0; i < dim; ++i)
    sum = round ? fmaf(RoundToBf16(a[i]), RoundToBf16(b[i]), sum) : fmaf(a[i], b[i], sum);
  return sum;
}

QPKV_DEVICE float LogitOf(const ObservedRows& rows, int head, int row, const float* key) {
  return Capped(DotOf(rows.Query(head, row), key, rows.shape.dim, rows.round) * rows.scale,
                rows.shape.cap);
}

// A running log-sum-exp.
struct LogSum {
  float most, sum;
};
struct AddLogSums {
  QPKV_ON_DEVICE LogSum operator()(const LogSum& a, const LogSum& b) const {
    const float most = fmaxf(a.most, b.most);
    if (most == -Infinity()) return {most, 0};
    return {most, a.sum * expf(a.most - most) + b.sum * expf(b.most - most)};
  }
};

// Calls add(row, p) for the rows of the block's token that look at it. Blocks (tokens, head).
template <class Add>
QPKV_DEVICE void VisitProbabilities(const ObservedRows& rows, int head, int token, const Add& add) {
  const float* key = rows.Key(head, token);
  for (int row = 0; row < rows.rows; ++row) {
    if (token < rows.FirstKey(row) || token >= rows.EndKey(row)) continue;
    const float lse = rows.lse[static_cast<size_t>(head) * rows.lse_stride + row];
    add(row, expf(LogitOf(rows, head, row, key) - lse));
  }
}

// Queries [begin, end) of a chunk.
ObservedRows ChunkRows(const StatisticArgs& args, int begin, int end);

// lse [q_heads, rows] of rows whose own is not known. False where there is no memory.
bool ObserveLse(CudaStream& on, ObservedRows* rows);

// Adds a chunk's queries to state [tokens, q_heads, dim].
void KeepQueries(CudaStream& on, const StatisticArgs& args, const float* q, int q_stride,
                 float* kept);
inline size_t KeptQueriesBytes(const StatisticShape& shape) {
  return sizeof(float) * shape.tokens * shape.q_heads * static_cast<size_t>(shape.dim);
}

}  // namespace cuda
}  // namespace qpkv
