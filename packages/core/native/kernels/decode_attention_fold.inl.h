// The factors of a row as the dot kernels want them.
//
// Exact bf16 parts: x as a sum of two bf16 (kNativePairs) or as it is, so that its rounding does not show.
//
// Packed parts: codes are small integers, so x becomes a row of signed words times one float, and the dot is exact in int32. A value is
// code * scale + minimum = (code - middle) * scale + centre, with `middle` half the largest code and centre = minimum + middle * scale
// (codebooks: middle 0, integer zero points alike). With w = words of x * scale, the sum over x * value is
//     unit * (dot(w, codes) - middle * sum(w)) + sum(x * centre)
// where the last sum is exact: the rounding of w meets only distances from the middle of the group. (Folding the minimum in with the
// exact x but the codes with the rounded one would multiply it by the whole minimum: about ten times the error.)
#pragma once
#include "kernels/tile_decode.inl.h"

namespace qpkv {
namespace {

constexpr int kFoldMost = 256;  // values of one fold: channels of a key, or tokens of a part

// Scales of up to kFoldMost consecutive values, shared by all rows; zero beyond.
struct Fold {
  alignas(64) float scale[kFoldMost];
  alignas(64) float centre[kFoldMost];
  int count;  // padded to 32
};

// What belongs to a packed format.
struct CodeRange {
  float middle;  // in codes; 0 for levels
  float unit;    // scale of a code word: 1, or 1 / kLevelUnit
  float most;    // largest |word| of the other factor, so that sums over `count` values stay in int32
};

QPKV_INLINE CodeRange RangeOf(const TensorFormat& format, int count) {
  if (format.levels) return {0.0f, 1.0f / kLevelUnit, count <= 64 ? 8190.0f : count <= 128 ? 4095.0f : 2047.0f};
  return {0.5f * static_cast<float>((1 << format.bits) - 1), 1.0f, 32767.0f};
}

// Centres from scales and offsets.
QPKV_INLINE F32x16 CentreOf(const TileView& v, F32x16 scale, F32x16 offset, float middle) {
  return v.integer_zero ? Mul(scale, Sub(Set(middle), offset)) : Fma(scale, Set(middle), offset);
}

// Scales index .. index + count - 1 of the part.
static void PrepareFold(const TileView& v, size_t index, int count, float middle, Fold* fold) {
  fold->count = static_cast<int>(RoundUp(count, 32));
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
    Store(fold->scale + i, scale);
    Store(fold->centre + i, centre);
  }
}

// Rows this small count as zero: the inverse would overflow.
QPKV_INLINE float Significant(float largest) { return largest > 1e-30f ? largest : 0.0f; }

// Writes the words of x[0 .. count) and what else the sum needs. x holds zeros up to the padded count.
struct FoldedRow {
  float unit;  // of a word, times the unit of a code word
  float term;  // sum(x * centre) - unit * middle * sum(w)
};

QPKV_INLINE FoldedRow FoldRow(const Fold& fold, const CodeRange& range, const float* x, uint32_t* words) {
  F32x16 most = Zero(), term = Zero();
  for (int i = 0; i < fold.count; i += 16) {
    const F32x16 a = Load(x + i);
    most = Max(Abs(Mul(a, Load(fold.scale + i))), most);
    term = Fma(a, Load(fold.centre + i), term);
  }
  const float largest = Significant(ReduceMax(most));
  const F32x16 inverse = Set(largest > 0 ? range.most / largest : 0.0f);
  I32x16 sum = SetI(0);
  for (int i = 0; i < fold.count; i += 32) {
    const I32x16 first = ToInt(Mul(Mul(Load(x + i), Load(fold.scale + i)), inverse));
    const I32x16 second = ToInt(Mul(Mul(Load(x + i + 16), Load(fold.scale + i + 16)), inverse));
    StoreWords(words + i / 2, first, second);
    sum = AddI(sum, AddI(first, second));
  }
  const float unit = largest / range.most;
  return {unit * range.unit, ReduceAdd(Fma(ToFloat(sum), Set(-unit * range.middle), term))};
}

// The same without scales: words of x; `sum` receives the sum of x, `word_sum` unit * sum(w).
struct PlainRow {
  float unit, sum, word_sum;
};

QPKV_INLINE PlainRow FoldPlain(const CodeRange& range, const float* x, int padded, uint32_t* words) {
  F32x16 most = Zero(), total = Zero();
  for (int i = 0; i < padded; i += 16) {
    most = Max(Abs(Load(x + i)), most);
    total = Add(total, Load(x + i));
  }
  const float largest = Significant(ReduceMax(most));
  const F32x16 inverse = Set(largest > 0 ? range.most / largest : 0.0f);
  I32x16 sum = SetI(0);
  for (int i = 0; i < padded; i += 32) {
    const I32x16 first = ToInt(Mul(Load(x + i), inverse)), second = ToInt(Mul(Load(x + i + 16), inverse));
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
