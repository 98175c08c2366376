// Rows of activations as bytes: per group of features one float scale, so that the group's largest
// value is 127. Products with codes of weights are then exact in int32: 32 * 255 * 127 < 2^31.
#pragma once

namespace qpkv {
namespace {

struct ByteRows {
  uint32_t* quads;  // [m, quad_stride]: bytes of four features, 0 2 1 3; zeros behind k
  float* scales;    // [m, groups]
  int32_t* sums;    // [m, groups]: sums of a group's bytes
  int32_t*
      starts;  // [m, groups]: what dots with codes begin at, less the codes' zero times the sum
  size_t quad_stride;  // in quads
  int groups;
};

// -127..127 of `count` values of a group (group 16 or 32), and their scale, in two vectors.
struct ByteGroup {
  F32x16 first, second;
  float scale;
};
QPKV_INLINE ByteGroup RoundByteGroup(const float* x, int count) {
  const F32x16 a = count >= 16 ? Load(x) : LoadN(x, count);
  const F32x16 b = count <= 16 ? Zero() : count >= 32 ? Load(x + 16) : LoadN(x + 16, count - 16);
  const bool finite = !Any(IsNan(Add(Sub(a, a), Sub(b, b))));  // infinity - infinity is NaN
  const float most = finite ? ReduceMax(Max(Abs(a), Abs(b))) : 0.0f;
  // Below that the inverse would be no number; what is so small becomes zero.
  const float inverse = most > 1e-30f ? 127.0f / most : 0.0f;
  ByteGroup group;
  group.first = RoundEven(Mul(a, Set(inverse)));
  group.second = RoundEven(Mul(b, Set(inverse)));
  group.scale = finite ? most / 127.0f : __builtin_nanf("");
  if (!finite) group.first = group.second = Zero();
  return group;
}

// Sixteen integers as four quads of features 0 2 1 3.
QPKV_INLINE void StoreQuads(uint32_t* quads, F32x16 values) {
  alignas(16) uint8_t bytes[16];
  StoreU8(bytes, AndI(ToInt(values), SetI(255)));
  __builtin_memcpy(quads, bytes, sizeof bytes);
  for (int i = 0; i < 4; ++i) {
    const uint32_t quad = quads[i];
    quads[i] = (quad & 0xff0000ffu) | (quad >> 8 & 0xff00u) | (quad << 8 & 0xff0000u);
  }
}

ByteRows PackByteRows(Stream& stream, const float* x, int m, int k, int group, int zero) {
  ByteRows rows;
  rows.groups = static_cast<int>(DivideUp(k, group));
  // One cache line of padding keeps the rows of a tile out of each other's cache sets.
  rows.quad_stride = AlignUp(static_cast<size_t>(rows.groups) * group, 32) / 4 + 16;
  const size_t quads = m * rows.quad_stride, cells = static_cast<size_t>(m) * rows.groups;
  rows.quads = static_cast<uint32_t*>(stream.SharedScratch(
      sizeof(uint32_t) * quads + (sizeof(float) + 2 * sizeof(int32_t)) * cells));
  rows.scales = reinterpret_cast<float*>(rows.quads + quads);
  rows.sums = reinterpret_cast<int32_t*>(rows.scales + cells);
  rows.starts = rows.sums + cells;
  constexpr int kRowsPerUnit = 16;
  stream.ParallelFor(static_cast<int>(DivideUp(m, kRowsPerUnit)), [&](int unit, int) {
    const int end = (unit + 1) * kRowsPerUnit < m ? (unit + 1) * kRowsPerUnit : m;
    for (int r = unit * kRowsPerUnit; r < end; ++r)
      for (int g = 0; g < rows.groups; ++g) {
        const int rest = k - g * group, count = rest < group ? rest : group;
        const size_t cell = static_cast<size_t>(r) * rows.groups + g;
        const ByteGroup packed = RoundByteGroup(x + static_cast<size_t>(r) * k + g * group, count);
        uint32_t* to = rows.quads + r * rows.quad_stride + g * (group / 4);
        StoreQuads(to, packed.first);
        if (group > 16) StoreQuads(to + 4, packed.second);
        rows.scales[cell] = packed.scale;
        rows.sums[cell] = static_cast<int32_t>(ReduceAdd(Add(packed.first, packed.second)));
        rows.starts[cell] = -zero * rows.sums[cell];
      }
  });
  return rows;
}

}  // namespace
}  // namespace qpkv
