// Dots of weight codes with integer activations, 16 outputs at once: by pairs of words or by quads
// of bytes. Both take codes as they are stored, unsigned, in the order of features.
#pragma once
#include "ops/weight_layout.h"

namespace qpkv {
namespace {

template <int kWidth>
struct WordDots {
  static constexpr int kFeatures = 2;            // that an operand holds
  static constexpr int kOperands = 16 / kWidth;  // that a stored vector of codes holds
  using Sums = I32x16;

  QPKV_INLINE void LoadCodes(const uint8_t* quads, U16x32 (&codes)[kOperands]) {
    const U16x32 x = LoadU16(reinterpret_cast<const uint16_t*>(quads));
    if constexpr (kWidth == 8) {
      codes[0] = AndU16(x, SetU16(255)), codes[1] = ShiftRightU16(x, 8);
    } else {
      const U16x32 low = SetU16(15);
      codes[0] = AndU16(x, low), codes[1] = AndU16(ShiftRightU16(x, 8), low);
      codes[2] = AndU16(ShiftRightU16(x, 4), low), codes[3] = ShiftRightU16(x, 12);
    }
  }
  QPKV_INLINE Sums Begin(const int32_t* from) { return SetI(*from); }
  QPKV_INLINE Sums Dot(Sums sums, U16x32 codes, U16x32 x) { return DotWords(sums, codes, x); }
  QPKV_INLINE I32x16 End(Sums sums, const int32_t* /*from*/) { return sums; }

  // 32 integers as 16 pairs.
  QPKV_INLINE void StoreOperands(uint32_t* pairs, I32x16 first, I32x16 second) {
    StoreWords(pairs, first, second);
  }
};

template <int kWidth>
struct ByteDots {
  static constexpr int kFeatures = 4;
  static constexpr int kOperands = 8 / kWidth;
  using Sums = ByteSums;

  QPKV_INLINE void LoadCodes(const uint8_t* quads, U16x32 (&codes)[kOperands]) {
    codes[0] = LoadU16(reinterpret_cast<const uint16_t*>(quads));
    if constexpr (kWidth == 4) {
      const U16x32 low = SetU16(0x0f0f);
      codes[1] = AndU16(ShiftRightU16(codes[0], 4), low), codes[0] = AndU16(codes[0], low);
    }
  }
  QPKV_INLINE Sums Begin(const int32_t* from) { return BeginByteDots(from); }
  QPKV_INLINE Sums Dot(Sums sums, U16x32 codes, U16x32 x) { return DotBytes(sums, codes, x); }
  QPKV_INLINE I32x16 End(Sums sums, const int32_t* from) { return EndByteDots(sums, from); }

  // 32 integers as 8 quads of features 0 2 1 3, as codes lie.
  QPKV_INLINE void StoreOperands(uint32_t* quads, I32x16 first, I32x16 second) {
    uint8_t bytes[32];
    StoreU8(bytes, AndI(first, SetI(255)));
    StoreU8(bytes + 16, AndI(second, SetI(255)));
    __builtin_memcpy(quads, bytes, sizeof bytes);
    for (int i = 0; i < 8; ++i) {
      const uint32_t quad = quads[i];
      quads[i] = (quad & 0xff0000ffu) | (quad >> 8 & 0xff00u) | (quad << 8 & 0xff0000u);
    }
  }
};

}  // namespace
}  // namespace qpkv
