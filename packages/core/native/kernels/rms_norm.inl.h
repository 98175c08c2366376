// RmsNorm: out = x / sqrt(mean(x^2) + epsilon) * (weight + offset), group by group, or added to
// out.
#pragma once

namespace qpkv {
namespace {

void RmsNorm(Stream& stream, const RmsNormArgs& args) {
  constexpr int kPerUnit = 16;
  const int all = args.rows * args.groups;
  stream.ParallelFor(static_cast<int>(DivideUp(all, kPerUnit)), [&](int unit, int) {
    const int end = (unit + 1) * kPerUnit < all ? (unit + 1) * kPerUnit : all;
    for (int item = unit * kPerUnit; item < end; ++item) {
      const size_t at = static_cast<size_t>(item / args.groups) * args.stride +
                        static_cast<size_t>(item % args.groups) * args.dim;
      const float* x = args.x + at;
      float* out = args.out + at;
      F32x16 sum = Zero();
      for (int i = 0; i < args.dim; i += 16) {
        const F32x16 v = LoadN(x + i, args.dim - i);
        sum = Fma(v, v, sum);
      }
      const float mean = ReduceAdd(sum) / static_cast<float>(args.dim);
      const F32x16 offset = Set(args.offset),
                   factor = Set(1.0f / __builtin_sqrtf(mean + args.epsilon));
      for (int i = 0; i < args.dim; i += 16) {
        const int n = args.dim - i;
        const F32x16 weight = Add(LoadN(args.weight + i, n), offset);
        F32x16 y = Mul(Mul(LoadN(x + i, n), factor), weight);
        if (args.accumulate) y = Add(LoadN(out + i, n), y);
        StoreN(out + i, y, n);
      }
    }
  });
}

}  // namespace
}  // namespace qpkv
