// Rows of activations as 16-bit words: per group of features one power-of-two scale, so that the
// group's largest value takes 15 bits and its sign. Ten times as exact as rounding to bf16 or more,
// and products with codes of weights are then exact in int32: 32 * 255 * 2^15 < 2^31.
#pragma once
#include "kernels/byte_rows.inl.h"

namespace qpkv {
namespace {

constexpr int kWordBits = 15;

struct WordRows {
  uint32_t* pairs;  // [m, pair_stride]: pairs of words, zeros from k to the end of the last group
  float* scales;    // [m, groups]
  int32_t* sums;    // [m, groups]: sums of a group's words
  size_t pair_stride;  // in pairs
  int groups;
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

// Words of `count` values, the first of at most 32; group 16 or 32.
QPKV_INLINE void PackWordGroup(const float* x, int count, int group, uint32_t* pairs, float* scale,
                               int32_t* sum) {
  const F32x16 a = count >= 16 ? Load(x) : LoadN(x, count);
  const F32x16 b = count <= 16 ? Zero() : count >= 32 ? Load(x + 16) : LoadN(x + 16, count - 16);
  const bool finite = !Any(IsNan(Add(Sub(a, a), Sub(b, b))));  // infinity - infinity is NaN
  const WordScale s = WordScaleOf(finite ? ReduceMax(Max(Abs(a), Abs(b))) : 0.0f);
  const F32x16 most = Set(32767.0f), to = Set(s.to_words);
  const F32x16 p = Min(most, RoundEven(Mul(a, to))), q = Min(most, RoundEven(Mul(b, to)));
  alignas(64) uint32_t both[16];
  StoreWords(both, ToInt(p), ToInt(q));
  __builtin_memcpy(pairs, both, sizeof(uint32_t) * (group / 2));
  *scale = finite ? s.from_words : __builtin_nanf("");
  *sum = finite ? static_cast<int32_t>(ReduceAdd(Add(p, q))) : 0;  // at most 2^20: exact
}

// The same from -127 to 127, for instruction sets that have no dots of bytes.
QPKV_INLINE void PackByteGroup(const float* x, int count, int group, uint32_t* pairs, float* scale,
                               int32_t* sum) {
  const ByteGroup bytes = RoundByteGroup(x, count);
  alignas(64) uint32_t both[16];
  StoreWords(both, ToInt(bytes.first), ToInt(bytes.second));
  __builtin_memcpy(pairs, both, sizeof(uint32_t) * (group / 2));
  *scale = bytes.scale;
  *sum = static_cast<int32_t>(ReduceAdd(Add(bytes.first, bytes.second)));
}

WordRows PackWordRows(Stream& stream, const float* x, int m, int k, int group, bool as_bytes) {
  WordRows rows;
  rows.groups = static_cast<int>(DivideUp(k, group));
  // One cache line of padding keeps the rows of a tile out of each other's cache sets.
  rows.pair_stride = AlignUp(static_cast<size_t>(rows.groups) * group, 32) / 2 + 16;
  const size_t words = m * rows.pair_stride, cells = static_cast<size_t>(m) * rows.groups;
  rows.pairs = static_cast<uint32_t*>(
      stream.SharedScratch(sizeof(uint32_t) * words + (sizeof(float) + sizeof(int32_t)) * cells));
  rows.scales = reinterpret_cast<float*>(rows.pairs + words);
  rows.sums = reinterpret_cast<int32_t*>(rows.scales + cells);
  constexpr int kRowsPerUnit = 16;
  stream.ParallelFor(static_cast<int>(DivideUp(m, kRowsPerUnit)), [&](int unit, int) {
    const int end = (unit + 1) * kRowsPerUnit < m ? (unit + 1) * kRowsPerUnit : m;
    for (int r = unit * kRowsPerUnit; r < end; ++r)
      for (int g = 0; g < rows.groups; ++g) {
        const int rest = k - g * group, count = rest < group ? rest : group;
        const size_t cell = static_cast<size_t>(r) * rows.groups + g;
        (as_bytes ? PackByteGroup : PackWordGroup)(
            x + static_cast<size_t>(r) * k + g * group, count, group,
            rows.pairs + r * rows.pair_stride + g * (group / 2), rows.scales + cell,
            rows.sums + cell);
      }
  });
  return rows;
}

}  // namespace
}  // namespace qpkv
