// A block of a coded panel, unpacked for products with many rows.
#pragma once
#include "ops/weight_layout.h"

namespace qpkv {
namespace {

// Register tile of products with words: integer sums of a group and float sums of all, so half the
// columns of a float tile.
constexpr int kWordRows = kTileRows;
constexpr int kWordCols = kTileCols > 1 ? kTileCols / 2 : 1;

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

// The pairs of words in 16 lanes of one quad of codes, still unsigned.
template <int kWidth>
struct QuadPairs {
  U16x32 pair[16 / kWidth];  // in the order of features
};
template <int kWidth>
QPKV_INLINE QuadPairs<kWidth> LoadQuad(const uint8_t* quad) {
  const U16x32 x = LoadU16(reinterpret_cast<const uint16_t*>(quad));
  if constexpr (kWidth == 8) {
    return {{AndU16(x, SetU16(255)), ShiftRightU16(x, 8)}};
  } else {
    const U16x32 low = SetU16(15);
    return {{AndU16(x, low), AndU16(ShiftRightU16(x, 8), low), AndU16(ShiftRightU16(x, 4), low),
             ShiftRightU16(x, 12)}};
  }
}

// Groups as words, codes less their zero: pairs[slice][step][16 * kWordCols][2], slices of the
// columns that a register tile takes; scales and minima [groups][64].
struct WordBlock {
  uint16_t* pairs;
  float *scales, *minima;
  size_t slice;  // words between slices
};

template <int kWidth>
void UnpackWords(const WeightFormat& format, const uint8_t* panel, int groups, int first_step,
                 const WordBlock& out) {
  const U16x32 zero = SetU16(static_cast<uint16_t>(-CodeZero(format)));
  constexpr int kPairs = 16 / kWidth;
  for (int g = 0; g < groups; ++g, panel += GroupOf(format).bytes) {
    for (int lane = 0; lane < kPanel; lane += 16) {
      Store(out.scales + g * kPanel + lane, GroupScales(format, panel, lane));
      if (format.minimum != WeightMinimum::kNone)
        Store(out.minima + g * kPanel + lane, GroupMinima(format, panel, lane));
      uint16_t* to = out.pairs + lane / (16 * kWordCols) * out.slice +
                     static_cast<size_t>(first_step + g * format.group / 2) * 32 * kWordCols +
                     lane % (16 * kWordCols) * 2;
      for (int quad = 0; quad < format.group / (2 * kPairs); ++quad) {
        const QuadPairs<kWidth> x =
            LoadQuad<kWidth>(panel + (static_cast<size_t>(quad) * kPanel + lane) * 4);
#pragma GCC unroll 4
        for (int i = 0; i < kPairs; ++i, to += 32 * kWordCols)
          StoreU16(to, AddU16(x.pair[i], zero));
      }
    }
  }
}

// Groups as floats, [feature][64].
template <int kWidth>
void UnpackFloats(const WeightFormat& format, const uint8_t* panel, int groups, float* out) {
  const F32x16 zero = Set(static_cast<float>(CodeZero(format)));
  constexpr int kPairs = 16 / kWidth;
  for (int g = 0; g < groups; ++g, panel += GroupOf(format).bytes, out += format.group * kPanel)
    for (int lane = 0; lane < kPanel; lane += 16) {
      const F32x16 scale = GroupScales(format, panel, lane);
      const F32x16 minimum =
          format.minimum == WeightMinimum::kNone ? Zero() : GroupMinima(format, panel, lane);
      float* to = out + lane;
      for (int quad = 0; quad < format.group / (2 * kPairs); ++quad) {
        const QuadPairs<kWidth> x =
            LoadQuad<kWidth>(panel + (static_cast<size_t>(quad) * kPanel + lane) * 4);
        for (int i = 0; i < kPairs; ++i, to += 2 * kPanel) {
          const F32x16 even = ToFloat(EvenWords(x.pair[i])), odd = ToFloat(OddWords(x.pair[i]));
          Store(to, Add(Mul(Sub(even, zero), scale), minimum));
          Store(to + kPanel, Add(Mul(Sub(odd, zero), scale), minimum));
        }
      }
    }
}

}  // namespace
}  // namespace qpkv
