// Rope: rotates channel pairs (i, i + rotary_dim / 2) by position * inv_freq[i]. The angle is a
// float32 product, as the models were trained.
#pragma once
#include <math.h>

namespace qpkv {
namespace {

void Rope(Stream& stream, const RopeArgs& args) {
  const int half = args.rotary_dim / 2;
  constexpr int kRowsPerUnit = 8;
  stream.ParallelFor(static_cast<int>(DivideUp(args.rows, kRowsPerUnit)), [&](int unit, int) {
    float cosines[128], sines[128];  // head dims up to 256
    const int end = (unit + 1) * kRowsPerUnit < args.rows ? (unit + 1) * kRowsPerUnit : args.rows;
    for (int row = unit * kRowsPerUnit; row < end; ++row) {
      const float position = static_cast<float>(args.positions[row]);
      for (int i = 0; i < half; ++i) {
        const float angle = position * args.inv_freq[i];
        cosines[i] = ::cosf(angle) * args.scale;
        sines[i] = ::sinf(angle) * args.scale;
      }
      for (int head = 0; head < args.heads; ++head) {
        float* low =
            args.x + static_cast<size_t>(row) * args.stride + static_cast<size_t>(head) * args.dim;
        float* high = low + half;
        for (int i = 0; i < half; i += 16) {
          const int n = half - i;
          const F32x16 a = LoadN(low + i, n), b = LoadN(high + i, n);
          const F32x16 c = LoadN(cosines + i, n), s = LoadN(sines + i, n);
          StoreN(low + i, Sub(Mul(a, c), Mul(b, s)), n);
          StoreN(high + i, Add(Mul(b, c), Mul(a, s)), n);
        }
      }
    }
  });
}

}  // namespace
}  // namespace qpkv
