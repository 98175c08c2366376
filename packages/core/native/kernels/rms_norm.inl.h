// RmsNorm: out = x / sqrt(mean(x^2) + epsilon) * (weight + offset), row by row, or added to out.
#pragma once

namespace qpkv {
namespace {

void RmsNorm(Stream& stream, const RmsNormArgs& args) {
  constexpr int kRowsPerUnit = 16;
  stream.ParallelFor(static_cast<int>(DivideUp(args.rows, kRowsPerUnit)), [&](int unit, int) {
    const int end = (unit + 1) * kRowsPerUnit < args.rows ? (unit + 1) * kRowsPerUnit : args.rows;
    for (int row = unit * kRowsPerUnit; row < end; ++row) {
      const float* x = args.x + static_cast<size_t>(row) * args.stride;
      float* out = args.out + static_cast<size_t>(row) * args.stride;
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
