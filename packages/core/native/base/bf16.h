// bfloat16 <-> float32, one value at a time. Rounds to nearest, ties to even; NaN stays NaN.
#pragma once
#include <cstdint>
#include <cstring>

#include "base/inline.h"

namespace qpkv {

QPKV_INLINE float Bf16ToFloat(uint16_t b) {
  const uint32_t bits = static_cast<uint32_t>(b) << 16;
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

QPKV_INLINE uint16_t FloatToBf16(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

QPKV_INLINE float RoundToBf16(float f) { return Bf16ToFloat(FloatToBf16(f)); }

}  // namespace qpkv
