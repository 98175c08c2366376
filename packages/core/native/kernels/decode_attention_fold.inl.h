// The factors of a row as the dot kernels want them.
//
// Exact bf16 parts: x as a sum of two bf16 (kNativePairs) or as it is, so that its rounding does
// not show.
//
// Packed parts: codes are small integers, so x becomes a row of signed words times one float, and
// the dot is exact in int32. A value is code * scale + minimum = (code - middle) * scale + centre,
// with `middle` half the largest code and centre = minimum + middle * scale (codebooks: middle 0,
// integer zero points alike). With w = words of x * scale, the sum over x * value is
//     unit * (dot(w, codes) - middle * sum(w)) + sum(x * centre)
// where the last sum is exact: the rounding of w meets only distances from the middle of the group.
// (Folding the minimum in with the exact x but the codes with the rounded one would multiply it by
// the whole minimum: about ten times the error.)
#pragma once
#include "kernels/tile_decode.inl.h"

namespace qpkv {
namespace {

constexpr int kFoldMost = 256;  // values of one fold: channels of a key, or tokens of a part

// Scales of up to kFoldMost consecutive values, shared by all rows; zero beyond.
struct Fold {
  alignas(64) float scale[kFoldMost];  // in units of scale_unit
  alignas(64) float centre[kFoldMost];
  float scale_unit;
  int count;  // padded to 32
};

// What belongs to a packed format.
struct CodeRange {
  float middle;  // in codes; 0 for levels
  float unit;    // scale of a code word: 1, or 1 / kLevelUnit
  float most;  // largest |word| of the other factor, so that sums over `count` values stay in int32
};

QPKV_INLINE CodeRange RangeOf(const TensorFormat& format, int count) {
  if (format.levels)
    return {0.0f, 1.0f / kLevelUnit, count <= 64 ? 8190.0f : count <= 128 ? 4095.0f : 2047.0f};
  return {0.5f * static_cast<float>((1 << format.bits) - 1), 1.0f, 32767.0f};
}

// Centres from scales and offsets.
QPKV_INLINE F32x16 CentreOf(const TileView& v, F32x16 scale, F32x16 offset, float middle) {
  return v.integer_zero ? Mul(scale, Sub(Set(middle), offset)) : Fma(scale, Set(middle), offset);
}

// Scales index .. index + count - 1 of the part; with `normalize` in units of their largest.
static void PrepareFold(const TileView& v, size_t index, int count, float middle, bool normalize,
                        Fold* fold) {
  fold->count = static_cast<int>(RoundUp(count, 32));
  F32x16 most = Zero();
  for (int i = 0; i < fold->count; i += 16) {
    F32x16 scale = Zero(), centre = Zero();
    if (i < count) {  // the sections are padded to 16 values
      scale = LoadScales(v, index + i);
      centre = CentreOf(v, scale, LoadOffsets(v, index + i), middle);
    }
    if (count - i < 16) {
      scale = Select(FirstN(count - i), scale, Zero());
      centre = Select(FirstN(count - i), centre, Zero());
    }
    most = Max(scale, most);
    Store(fold->scale + i, scale);
    Store(fold->centre + i, centre);
  }
  fold->scale_unit = 1.0f;
  if (!normalize) return;
  fold->scale_unit = ReduceMax(most);
  const F32x16 inverse = Set(fold->scale_unit > 0 ? 1.0f / fold->scale_unit : 0.0f);
  for (int i = 0; i < fold->count; i += 16)
    Store(fold->scale + i, Mul(Load(fold->scale + i), inverse));
}

// Rows this small count as zero: the inverse would overflow.
QPKV_INLINE float Significant(float largest) { return largest > 1e-30f ? largest : 0.0f; }

// A row's x * weight as words: inverse = 1 / unit, so that none is beyond range.most.
struct RowUnit {
  float unit, inverse;
};

// `weight` may be null for 1.
static RowUnit RowUnitOf(const CodeRange& range, const float* x, const float* weight, int count) {
  F32x16 most = Zero();
  for (int i = 0; i < count; i += 16) {
    F32x16 size = Abs(count - i >= 16 ? Load(x + i) : LoadN(x + i, count - i));
    if (weight) size = Mul(size, Load(weight + i));
    most = Max(size, most);
  }
  const float largest = Significant(ReduceMax(most)), reach = range.most * (1 - 1e-6f);
  return {largest / reach, largest > 0 ? reach / largest : 0.0f};
}

// Writes the words of x * scale for kRows rows, and what else their sums need. Of a fold that is
// not a multiple of 32 the rest of x may be any numbers: scales and centres are zero there.
//   units  of a word, times the unit of a code word
//   terms  sum(x * centre) - unit * middle * sum(w)
template <int kRows>
QPKV_INLINE void FoldSomeRows(const Fold& fold, const CodeRange& range, const float* x,
                              size_t stride, const RowUnit* row_units, uint32_t* words,
                              size_t word_stride, float* units, float* terms) {
  const U16x32 ones = SetU16(1);
  F32x16 term[4] = {Zero(), Zero(), Zero(), Zero()}, inverse[kRows];
  I32x16 sum[kRows];
  for (int r = 0; r < kRows; ++r) {
    sum[r] = SetI(0);
    inverse[r] = Set(row_units[r].inverse);
  }
  for (int i = 0; i < fold.count; i += 32) {
    const F32x16 scale_a = Load(fold.scale + i), scale_b = Load(fold.scale + i + 16);
    const F32x16 centre_a = Load(fold.centre + i), centre_b = Load(fold.centre + i + 16);
    for (int r = 0; r < kRows; ++r) {
      const F32x16 a = Load(x + r * stride + i), b = Load(x + r * stride + i + 16);
      const U16x32 both = PackWords(ToInt(Mul(Mul(a, inverse[r]), scale_a)),
                                    ToInt(Mul(Mul(b, inverse[r]), scale_b)));
      StoreU16(reinterpret_cast<uint16_t*>(words + r * word_stride + i / 2), both);
      sum[r] = DotWords(sum[r], both, ones);
      term[r] = Fma(b, centre_b, Fma(a, centre_a, term[r]));
    }
  }
  for (int r = 0; r < kRows; ++r) {
    const float unit = row_units[r].unit * fold.scale_unit;
    term[r] = Fma(ToFloat(sum[r]), Set(-unit * range.middle), term[r]);
    units[r] = unit * range.unit;
  }
  float sums[4];
  ReduceAdd4(term, sums);
  for (int r = 0; r < kRows; ++r) terms[r] = sums[r];
}

static void FoldRows(const Fold& fold, const CodeRange& range, int rows, const float* x,
                     size_t stride, const RowUnit* row_units, uint32_t* words, size_t word_stride,
                     float* units, float* terms) {
  constexpr int kAtOnce = kNativePairs ? 4 : 2;
  int r = 0;
  for (; r + kAtOnce <= rows; r += kAtOnce)
    FoldSomeRows<kAtOnce>(fold, range, x + r * stride, stride, row_units + r,
                          words + r * word_stride, word_stride, units + r, terms + r);
  for (; r < rows; ++r)
    FoldSomeRows<1>(fold, range, x + r * stride, stride, row_units + r, words + r * word_stride,
                    word_stride, units + r, terms + r);
}

// The same without scales: words of x; `sum` receives the sum of x, `word_sum` unit * sum(w).
struct PlainRow {
  float unit, sum, word_sum;
};

QPKV_INLINE PlainRow FoldPlain(const CodeRange& range, const float* x, int padded,
                               uint32_t* words) {
  F32x16 most = Zero(), total = Zero();
  for (int i = 0; i < padded; i += 16) {
    most = Max(Abs(Load(x + i)), most);
    total = Add(total, Load(x + i));
  }
  const float largest = Significant(ReduceMax(most));
  const F32x16 inverse = Set(largest > 0 ? range.most / largest : 0.0f);
  I32x16 sum = SetI(0);
  for (int i = 0; i < padded; i += 32) {
    const I32x16 first = ToInt(Mul(Load(x + i), inverse)),
                 second = ToInt(Mul(Load(x + i + 16), inverse));
    StoreWords(words + i / 2, first, second);
    sum = AddI(sum, AddI(first, second));
  }
  const float unit = largest / range.most;
  return {unit * range.unit, ReduceAdd(total), unit * ReduceAdd(ToFloat(sum))};
}

// x as bf16 pairs: two parts with pair instructions (low != null), else float32 as it is.
QPKV_INLINE void SplitRow(const float* x, int padded, PairValue* high, PairValue* low) {
  for (int i = 0; i < padded; i += 32) {
    const F32x16 a = Load(x + i), b = Load(x + i + 16);
    if constexpr (kNativePairs) {
      StorePairValues(high + i / 2, a, b);
      const uint16_t* rounded = reinterpret_cast<const uint16_t*>(high + i / 2);
      StorePairValues(low + i / 2, Sub(a, LoadBf16(rounded)), Sub(b, LoadBf16(rounded + 16)));
    } else {
      float* to = reinterpret_cast<float*>(high + i / 2);
      Store(to, a);
      Store(to + 16, b);
    }
  }
}

}  // namespace
}  // namespace qpkv
