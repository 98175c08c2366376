// key-similarity: the cosine of each key with the mean of its head's normalized keys (KeyDiff).
// Means are summed in double.
#pragma once
#include "kernels/row_norms.inl.h"
#include "ops/statistics/key_similarity.h"

namespace qpkv {
namespace {
namespace key_similarity {

void HeadSimilarity(const float* keys, int tokens, int dim, float* scores) {
  constexpr float kSmallest = 1e-12f;  // a key of zeros has direction zero
  double sum[256] = {};
  for (int t = 0; t < tokens; ++t) {
    const float* key = keys + static_cast<size_t>(t) * dim;
    scores[t] = VectorNorm(key, dim, 2);
    const double inverse = 1.0 / (scores[t] > kSmallest ? scores[t] : kSmallest);
    for (int i = 0; i < dim; ++i) sum[i] += key[i] * inverse;
  }
  float mean[256] = {};
  for (int i = 0; i < dim; ++i) mean[i] = static_cast<float>(sum[i] / tokens);
  const float mean_norm = VectorNorm(mean, dim, 2);
  for (int t = 0; t < tokens; ++t) {
    const float* key = keys + static_cast<size_t>(t) * dim;
    F32x16 dot = Zero();
    for (int i = 0; i < dim; i += 16)
      dot = Fma(LoadN(key + i, dim - i), LoadN(mean + i, dim - i), dot);
    const float norms = scores[t] * mean_norm;
    scores[t] = ReduceAdd(dot) / (norms > kSmallest ? norms : kSmallest);
  }
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  const StatisticShape& shape = args.shape;
  stream.ParallelFor(shape.kv_heads, [&](int head, int) {
    HeadSimilarity(args.k + static_cast<size_t>(head) * args.capacity * shape.dim, shape.tokens,
                   shape.dim, args.out + static_cast<size_t>(head) * shape.tokens);
  });
}

constexpr Statistic kStatistic = {&statistics::key_similarity::kAbout, nullptr, nullptr, Run};

}  // namespace key_similarity
}  // namespace
}  // namespace qpkv
