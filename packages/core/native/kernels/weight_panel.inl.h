// What lies in a panel of coded weights: scales, minima, values.
#pragma once
#include "kernels/code_dots.inl.h"

namespace qpkv {
namespace {

// 16 of a group's scales, or of its minima.
QPKV_INLINE F32x16 LoadMetadata(const uint8_t* p, bool f16) {
  return f16 ? LoadF16(reinterpret_cast<const uint16_t*>(p))
             : Load(reinterpret_cast<const float*>(p));
}
QPKV_INLINE F32x16 GroupScales(const WeightFormat& format, const uint8_t* group, int lane) {
  return LoadMetadata(group + GroupOf(format).scales + lane * ElementBytes(format.scale),
                      format.scale == Element::kF16);
}
QPKV_INLINE F32x16 GroupMinima(const WeightFormat& format, const uint8_t* group, int lane) {
  return LoadMetadata(group + GroupOf(format).minima + lane * MinimumBytes(format.minimum),
                      format.minimum == WeightMinimum::kF16);
}

// Groups as floats, [feature][64].
template <int kWidth>
void UnpackFloats(const WeightFormat& format, const uint8_t* panel, int groups, float* out) {
  const F32x16 zero = Set(static_cast<float>(CodeZero(format)));
  constexpr int kPairs = WordDots<kWidth>::kOperands;
  for (int g = 0; g < groups; ++g, panel += GroupOf(format).bytes, out += format.group * kPanel)
    for (int lane = 0; lane < kPanel; lane += 16) {
      const F32x16 scale = GroupScales(format, panel, lane);
      const F32x16 minimum =
          format.minimum == WeightMinimum::kNone ? Zero() : GroupMinima(format, panel, lane);
      float* to = out + lane;
      for (int quad = 0; quad < format.group / (2 * kPairs); ++quad) {
        U16x32 x[kPairs];
        WordDots<kWidth>::LoadCodes(panel + (static_cast<size_t>(quad) * kPanel + lane) * 4, x);
        for (int i = 0; i < kPairs; ++i, to += 2 * kPanel) {
          const F32x16 even = ToFloat(EvenWords(x[i])), odd = ToFloat(OddWords(x[i]));
          Store(to, Add(Mul(Sub(even, zero), scale), minimum));
          Store(to + kPanel, Add(Mul(Sub(odd, zero), scale), minimum));
        }
      }
    }
}

}  // namespace
}  // namespace qpkv
