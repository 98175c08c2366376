// Rows of activations as integers that meet the codes of weights, a group of features under one
// scale. Products of a group are then exact in int32.
//   words   15 bits and a sign, a power of two as scale: ten times as exact as rounding to bf16 or
//   more; 32 * 255 * 2^15 < 2^31 bytes   -127 to 127, the group's largest value at 127
#pragma once

namespace qpkv {
namespace {

constexpr int kWordBits = 15;

struct ActivationRows {
  uint32_t* operands;  // [m, stride]: two words or four bytes each, zeros from k to the end of the
                       // last group
  float* scales;       // [m, groups]
  int32_t* sums;       // [m, groups]: sums of a group's integers
  int32_t* starts;     // [m, groups]: what dots with codes begin at, the codes' zero times the sum
                       // taken away
  size_t stride;       // in operands
  int groups;
};

// A group of 16 or 32 integers. Of values that are no numbers: zeros under a scale that is none.
struct RoundedGroup {
  F32x16 first, second;
  float scale;
};

// Powers of two that scale values of at most `most` to words and back.
struct WordScale {
  float to_words, from_words;
};
QPKV_INLINE WordScale WordScaleOf(float most) {
  uint32_t bits;
  __builtin_memcpy(&bits, &most, sizeof bits);
  uint32_t exponent = bits >> 23;                          // most < 2^(exponent - 126)
  if (exponent < kWordBits) exponent = kWordBits;          // smaller ones have words near zero
  const uint32_t to = (253 + kWordBits - exponent) << 23,  // 2^(126 + kWordBits - exponent)
      from = (exponent + 1 - kWordBits) << 23;             // its inverse
  WordScale scale;
  __builtin_memcpy(&scale.to_words, &to, sizeof to);
  __builtin_memcpy(&scale.from_words, &from, sizeof from);
  return scale;
}

QPKV_INLINE RoundedGroup RoundToWords(F32x16 a, F32x16 b, float largest) {
  const WordScale s = WordScaleOf(largest);
  const F32x16 most = Set(32767.0f), to = Set(s.to_words);
  return {Min(most, RoundEven(Mul(a, to))), Min(most, RoundEven(Mul(b, to))), s.from_words};
}

QPKV_INLINE RoundedGroup RoundToBytes(F32x16 a, F32x16 b, float largest) {
  // Below that the inverse would be no number; what is so small becomes zero.
  const F32x16 inverse = Set(largest > 1e-30f ? 127.0f / largest : 0.0f);
  return {RoundEven(Mul(a, inverse)), RoundEven(Mul(b, inverse)), largest / 127.0f};
}

// `count` values, the first of at most 32.
QPKV_INLINE RoundedGroup RoundGroup(const float* x, int count, bool bytes) {
  const F32x16 a = count >= 16 ? Load(x) : LoadN(x, count);
  const F32x16 b = count <= 16 ? Zero() : count >= 32 ? Load(x + 16) : LoadN(x + 16, count - 16);
  if (Any(IsNan(Add(Sub(a, a), Sub(b, b)))))  // infinity - infinity is NaN
    return {Zero(), Zero(), __builtin_nanf("")};
  const float largest = ReduceMax(Max(Abs(a), Abs(b)));
  return bytes ? RoundToBytes(a, b, largest) : RoundToWords(a, b, largest);
}

// Dots: WordDots or ByteDots of code_dots.inl.h. zero: that of the codes.
template <class Dots>
ActivationRows PackActivations(Stream& stream, const float* x, int m, int k, int group, int zero,
                               bool bytes) {
  ActivationRows rows;
  rows.groups = static_cast<int>(DivideUp(k, group));
  // One cache line of padding keeps the rows of a tile out of each other's cache sets.
  rows.stride = AlignUp(static_cast<size_t>(rows.groups) * group, 32) / Dots::kFeatures + 16;
  const size_t operands = m * rows.stride, cells = static_cast<size_t>(m) * rows.groups;
  rows.operands = static_cast<uint32_t*>(stream.SharedScratch(
      sizeof(uint32_t) * operands + (sizeof(float) + 2 * sizeof(int32_t)) * cells));
  rows.scales = reinterpret_cast<float*>(rows.operands + operands);
  rows.sums = reinterpret_cast<int32_t*>(rows.scales + cells);
  rows.starts = rows.sums + cells;
  constexpr int kRowsPerUnit = 16;
  stream.ParallelFor(static_cast<int>(DivideUp(m, kRowsPerUnit)), [&](int unit, int) {
    const int end = (unit + 1) * kRowsPerUnit < m ? (unit + 1) * kRowsPerUnit : m;
    for (int r = unit * kRowsPerUnit; r < end; ++r)
      for (int g = 0; g < rows.groups; ++g) {
        const int rest = k - g * group, count = rest < group ? rest : group;
        const size_t cell = static_cast<size_t>(r) * rows.groups + g;
        const RoundedGroup rounded =
            RoundGroup(x + static_cast<size_t>(r) * k + g * group, count, bytes);
        uint32_t both[32 / Dots::kFeatures];
        Dots::StoreOperands(both, ToInt(rounded.first), ToInt(rounded.second));
        __builtin_memcpy(rows.operands + r * rows.stride + g * (group / Dots::kFeatures), both,
                         sizeof(uint32_t) * (group / Dots::kFeatures));
        rows.scales[cell] = rounded.scale;
        // At most 2^20: exact.
        rows.sums[cell] = static_cast<int32_t>(ReduceAdd(Add(rounded.first, rounded.second)));
        rows.starts[cell] = -zero * rows.sums[cell];
      }
  });
  return rows;
}

}  // namespace
}  // namespace qpkv
