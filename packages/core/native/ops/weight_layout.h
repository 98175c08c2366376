// Where the values of a packed weight lie. Outputs are cut into panels of 64 (the lanes), padded
// with zeros; a panel is one stream along the input features, the same for one row of activations
// and for many.
//
//   exact bf16         [n / 64][k / 2][64][2] bf16, k padded to 2
//   exact f16, f32     [n / 64][k][64] of the element, k padded to 2
//   coded              [n / 64][k / group] groups, k padded to the group; a group is
//                        codes   8 bits: [group / 4][64] quads of bytes, codes of 5 and 6 bits too
//                                4 bits: [group / 8][64] quads of bytes, low nibbles the first four
//                                        features of eight, high nibbles the others
//                        scales  [64]
//                        minima  [64], where the format has them
//
// The bytes of a quad hold features 0, 2, 1, 3: its even bytes are then the first pair of features
// as words, its odd bytes the second.
#pragma once
#include <cstddef>

#include "ops/tile_layout.h"
#include "ops/weight_format.h"

namespace qpkv {

static constexpr int kPanel = 64;  // outputs per panel

// Byte offsets within a group of one panel.
struct WeightGroup {
  size_t scales, minima, bytes;
};

static constexpr size_t MinimumBytes(WeightMinimum minimum) {
  return minimum == WeightMinimum::kNone ? 0 : minimum == WeightMinimum::kF16 ? 2 : 4;
}

// Bits that a code takes.
static constexpr int CodeWidth(const WeightFormat& format) { return format.bits == 4 ? 4 : 8; }

static constexpr WeightGroup GroupOf(const WeightFormat& format) {
  const size_t scales = static_cast<size_t>(kPanel) * format.group * CodeWidth(format) / 8;
  const size_t minima = scales + kPanel * ElementBytes(format.scale);
  return {scales, minima, minima + kPanel * MinimumBytes(format.minimum)};
}

static constexpr size_t WeightPanelBytes(const WeightFormat& format, int k) {
  return IsExact(format) ? kPanel * AlignUp(k, 2) * ElementBytes(format.element)
                         : DivideUp(k, format.group) * GroupOf(format).bytes;
}

static constexpr size_t WeightBytes(const WeightFormat& format, int n, int k) {
  return DivideUp(n, kPanel) * WeightPanelBytes(format, k);
}

// Byte of the code of feature `i` of a group.
static constexpr size_t CodeByte(const WeightFormat& format, int lane, int i) {
  const int quad = CodeWidth(format) == 4 ? i / 8 : i / 4;
  const int place = i % 4 == 1 ? 2 : i % 4 == 2 ? 1 : i % 4;
  return (static_cast<size_t>(quad) * kPanel + lane) * 4 + place;
}

// Whether that code is the high nibble.
static constexpr bool IsHighNibble(const WeightFormat& format, int i) {
  return CodeWidth(format) == 4 && i % 8 >= 4;
}

// What is subtracted from a stored code: 2^(bits - 1) without a minimum.
static constexpr int CodeZero(const WeightFormat& format) {
  return format.minimum == WeightMinimum::kNone ? 1 << (format.bits - 1) : 0;
}

}  // namespace qpkv
