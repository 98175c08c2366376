// Queries that a statistic keeps until the layer's last chunk: [tokens, q_heads * dim].
#pragma once
#include "ops/statistic.h"

namespace qpkv {
namespace {

size_t KeptQueriesBytes(const StatisticShape& shape) {
  return sizeof(float) * shape.tokens * shape.q_heads * shape.dim;
}

// kChunk: stores the chunk's queries behind those before.
void KeepQueries(Stream& stream, const StatisticArgs& args, float* kept) {
  const int width = args.shape.q_heads * args.shape.dim;
  stream.ParallelFor(args.rows, [&](int row, int) {
    __builtin_memcpy(kept + static_cast<size_t>(args.first + row) * width,
                     args.q + static_cast<size_t>(row) * args.q_stride, sizeof(float) * width);
  });
}

}  // namespace
}  // namespace qpkv
