// MeanTokens: sums in double, in the order of the tokens. One unit per item.
#pragma once
#include "base/stream.h"
#include "ops/ops.h"

namespace qpkv {
namespace {

static void MeanTokens(Stream& stream, const MeanTokensArgs& a) {
  stream.ParallelFor(a.count, [&](int i, int thread) {
    const MeanItem& item = a.items.get()[i];
    double* sum = static_cast<double*>(stream.Scratch(thread, sizeof(double) * a.dim));
    std::memset(sum, 0, sizeof(double) * a.dim);
    for (int t = 0; t < item.tokens; ++t) {
      const float* row = item.source + static_cast<size_t>(item.index.get()[t]) * a.dim;
      for (int c = 0; c < a.dim; ++c) sum[c] += row[c];
    }
    for (int c = 0; c < a.dim; ++c)
      item.mean[c] = item.tokens > 0 ? static_cast<float>(sum[c] / item.tokens) : 0.0f;
  });
}

}  // namespace
}  // namespace qpkv
