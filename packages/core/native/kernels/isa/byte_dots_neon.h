// Byte dots on NEON; vec.h says what the names mean.
#pragma once
#include "kernels/isa/vec_neon.h"

namespace qpkv {
namespace {

// Sums of byte dots, exact in int32: codes 0..15 by signed bytes. They begin at a number of their
// own.
struct ByteSums {
  int32x4_t v[4];
};
constexpr bool HasByteDots(int width) { return width == 4; }
QPKV_INLINE ByteSums BeginByteDots(const int32_t* from) {
  const int32x4_t all = vld1q_dup_s32(from);
  return {{all, all, all, all}};
}
QPKV_INLINE ByteSums DotBytes(ByteSums acc, U16x32 codes, U16x32 x) {
  for (int i = 0; i < 4; ++i) {
    const int8x16_t a = vreinterpretq_s8_u16(codes.v[i]), b = vreinterpretq_s8_u16(x.v[i]);
    const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    acc.v[i] = vpadalq_s16(acc.v[i], vpaddq_s16(low, vmull_high_s8(a, b)));
  }
  return acc;
}
QPKV_INLINE I32x16 EndByteDots(ByteSums acc, const int32_t* /*from*/) {
  return {{acc.v[0], acc.v[1], acc.v[2], acc.v[3]}};
}

}  // namespace
}  // namespace qpkv
