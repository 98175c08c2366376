// ObserveKeys: a score per key that needs no queries: its norm, or its cosine with the mean of all
// normalized keys (KeyDiff).
#pragma once

namespace qpkv {
namespace {

QPKV_INLINE float KeyNorm(const float* key, int dim) {
  F32x16 sum = Zero();
  for (int i = 0; i < dim; i += 16) {
    const F32x16 v = LoadN(key + i, dim - i);
    sum = Fma(v, v, sum);
  }
  return __builtin_sqrtf(ReduceAdd(sum));
}

void ObserveKeys(Stream& stream, const ObserveKeysArgs& args) {
  constexpr float kSmallest = 1e-12f;  // a key of zeros has direction zero
  stream.ParallelFor(args.heads, [&](int head, int) {
    const float* keys = args.k + static_cast<size_t>(head) * args.capacity * args.dim;
    float* scores = args.scores + static_cast<size_t>(head) * args.tokens;
    for (int t = 0; t < args.tokens; ++t)
      scores[t] = KeyNorm(keys + static_cast<size_t>(t) * args.dim, args.dim);
    if (args.score == KeyScore::kNorm) return;

    double sum[256] = {};
    for (int t = 0; t < args.tokens; ++t) {
      const float* key = keys + static_cast<size_t>(t) * args.dim;
      const double inverse = 1.0 / (scores[t] > kSmallest ? scores[t] : kSmallest);
      for (int i = 0; i < args.dim; ++i) sum[i] += key[i] * inverse;
    }
    float mean[256] = {};
    for (int i = 0; i < args.dim; ++i) mean[i] = static_cast<float>(sum[i] / args.tokens);
    const float mean_norm = KeyNorm(mean, args.dim);
    for (int t = 0; t < args.tokens; ++t) {
      const float* key = keys + static_cast<size_t>(t) * args.dim;
      F32x16 dot = Zero();
      for (int i = 0; i < args.dim; i += 16)
        dot = Fma(LoadN(key + i, args.dim - i), LoadN(mean + i, args.dim - i), dot);
      const float norms = scores[t] * mean_norm;
      scores[t] = ReduceAdd(dot) / (norms > kSmallest ? norms : kSmallest);
    }
  });
}

}  // namespace
}  // namespace qpkv
