// IEEE half <-> float32, one value at a time, without hardware support. Rounds to nearest, ties to
// even; overflow gives infinity.
#pragma once
#include <cstdint>
#include <cstring>

#include "base/inline.h"

namespace qpkv {

QPKV_INLINE float F16ToFloat(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  const uint32_t exponent = (h >> 10) & 31u, fraction = h & 0x3ffu;
  uint32_t bits;
  float f;
  if (exponent == 0) {  // zero and subnormals: fraction * 2^-24 is exact in float32
    f = static_cast<float>(fraction) * 5.9604644775390625e-8f;
    std::memcpy(&bits, &f, sizeof bits);
    bits |= sign;
  } else if (exponent == 31) {
    bits = sign | 0x7f800000u | (fraction << 13);
  } else {
    bits = sign | ((exponent + 112u) << 23) | (fraction << 13);
  }
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

QPKV_INLINE uint16_t FloatToF16(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u)
    return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  if (magnitude >= 0x477ff000u)
    return static_cast<uint16_t>(sign | 0x7c00u);  // rounds to 65536 or beyond
  if (magnitude < 0x38800000u) {  // below 2^-14: let float32 addition round at 2^-24
    float small;
    std::memcpy(&small, &magnitude, sizeof small);
    small += 0.5f;
    uint32_t rounded;
    std::memcpy(&rounded, &small, sizeof rounded);
    return static_cast<uint16_t>(sign | (rounded - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

}  // namespace qpkv
