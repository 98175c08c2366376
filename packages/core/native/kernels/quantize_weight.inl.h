// One row of a weight into a lane of a coded panel: rounded here with the scale of least squared
// error, or codes that a file brings.
//
// Every instruction set gives the same bytes: products and sums are rounded one by one, sums follow
// ReduceAdd's tree.
#pragma once
#include "kernels/read_element.inl.h"
#include "ops/weight_layout.h"

namespace qpkv {
namespace {

// A group's 16 or 32 values; the second half is zero in groups of 16 and behind the row's end.
struct GroupValues {
  F32x16 half[2];
};

QPKV_INLINE F32x16 RoundedCodes(F32x16 x, float inverse, float least, float most) {
  return Max(Set(least), Min(Set(most), RoundEven(Mul(x, Set(inverse)))));
}

// The value of largest size, with its sign; NaN when a value is infinite or NaN.
float ExtremeOf(const GroupValues& x) {
  const F32x16 size = Max(Abs(x.half[0]), Abs(x.half[1]));
  const F32x16 sum = Add(Sub(x.half[0], x.half[0]), Sub(x.half[1], x.half[1]));
  if (Any(IsNan(sum))) return __builtin_nanf("");
  const float most = ReduceMax(size);
  const bool positive = ReduceMax(Max(x.half[0], x.half[1])) == most;
  return positive ? most : -most;
}

// The scale of least squared error for codes -2^(bits - 1) .. 2^(bits - 1) - 1. Candidates round
// the values with the extreme near the most negative code; each candidate's codes q have a best
// scale, sum(x q) / sum(q q), which takes sum(x q)^2 / sum(q q) off the squared error.
float BestScale(const GroupValues& values, float extreme, int bits) {
  // In units of the extreme, so that no square leaves float32.
  const GroupValues x = {{Div(values.half[0], Set(extreme)), Div(values.half[1], Set(extreme))}};
  const float most = static_cast<float>((1 << (bits - 1)) - 1), least = -most - 1;
  constexpr int kCandidates = 9;  // steps of a tenth of a code, to both sides
  float best = 0, best_gain = -1;
  for (int i = -kCandidates; i <= kCandidates; ++i) {
    const float inverse = least + 0.1f * static_cast<float>(i);
    const F32x16 a = RoundedCodes(x.half[0], inverse, least, most),
                 b = RoundedCodes(x.half[1], inverse, least, most);
    const float xq = ReduceAdd(Add(Mul(x.half[0], a), Mul(x.half[1], b)));
    const float qq = ReduceAdd(Add(Mul(a, a), Mul(b, b)));
    if (!(qq > 0)) continue;
    const float scale = xq / qq, gain = xq * scale;
    if (gain > best_gain) best_gain = gain, best = scale;
  }
  return best * extreme;
}

// The scale as it is stored. An f16 scale stays finite: the largest weights are then cut off.
float StoredScale(float scale, Element element, void* out) {
  if (element == Element::kF32) {
    __builtin_memcpy(out, &scale, sizeof scale);
    return scale;
  }
  const float limit = 65504.0f;
  const float cut = scale > limit ? limit : scale < -limit ? -limit : scale;  // NaN stays
  const uint16_t bits = FloatToF16(cut);
  __builtin_memcpy(out, &bits, sizeof bits);
  return F16ToFloat(bits);
}

// Four codes as a quad: features 0, 2, 1, 3.
QPKV_INLINE uint32_t QuadOf(const uint8_t* codes) {
  uint32_t x;
  __builtin_memcpy(&x, codes, sizeof x);
  return (x & 0xff0000ffu) | (x >> 8 & 0xff00u) | (x << 8 & 0xff0000u);
}

// A lane's codes of one group, [format.group], into their places.
QPKV_INLINE void PutCodes(const WeightFormat& format, int lane, const uint8_t* codes,
                          uint8_t* group) {
  uint8_t* to = group + lane * 4;
  const bool nibbles = CodeWidth(format) == 4;
  for (int i = 0; i < format.group; i += nibbles ? 8 : 4, to += kPanel * 4) {
    uint32_t quad = QuadOf(codes + i);
    if (nibbles) quad |= QuadOf(codes + i + 4) << 4;
    __builtin_memcpy(to, &quad, sizeof quad);
  }
}

QPKV_INLINE void* ScaleAt(const WeightFormat& format, int lane, uint8_t* group) {
  return group + GroupOf(format).scales + lane * ElementBytes(format.scale);
}

QPKV_INLINE void* MinimumAt(const WeightFormat& format, int lane, uint8_t* group) {
  return group + GroupOf(format).minima + lane * MinimumBytes(format.minimum);
}

// Row `row` of args.source, which has no minima.
void PackQuantized(const PackWeightArgs& args, int row, int lane, uint8_t* panel) {
  const WeightFormat& format = args.out.format;
  const int k = args.out.k, zero = CodeZero(format);
  const float most = static_cast<float>(zero - 1), least = static_cast<float>(-zero);
  const size_t start = static_cast<size_t>(row) * k;
  for (int i = 0; i < k; i += format.group, panel += GroupOf(format).bytes) {
    const int count = k - i < format.group ? k - i : format.group;
    GroupValues x = {
        {ReadElements(args.source.get(), args.source_element, start + i, count), Zero()}};
    if (count > 16)
      x.half[1] = ReadElements(args.source.get(), args.source_element, start + i + 16, count - 16);
    const float extreme = ExtremeOf(x);
    const float wanted = extreme == 0         ? 0
                         : extreme != extreme ? extreme
                                              : BestScale(x, extreme, format.bits);
    const float scale = StoredScale(wanted, format.scale, ScaleAt(format, lane, panel));
    alignas(64) int32_t codes[32];
    for (int h = 0; h < 2; ++h) {
      const F32x16 q = Max(Set(least), Min(Set(most), RoundEven(Div(x.half[h], Set(scale)))));
      StoreI(codes + 16 * h, AddI(ToInt(q), SetI(zero)));
    }
    const bool usable = scale == scale && scale != 0;
    uint8_t bytes[32];
    for (int j = 0; j < format.group; ++j)
      bytes[j] = static_cast<uint8_t>(usable ? codes[j] : zero);
    PutCodes(format, lane, bytes, panel);
  }
}

void PackGivenCodes(const PackWeightArgs& args, int row, int lane, uint8_t* panel) {
  const WeightFormat& format = args.out.format;
  const size_t groups = DivideUp(args.out.k, format.group), first = row * groups;
  const size_t scale_bytes = ElementBytes(format.scale),
               minimum_bytes = MinimumBytes(format.minimum);
  for (size_t g = first; g < first + groups; ++g, panel += GroupOf(format).bytes) {
    PutCodes(format, lane, args.codes.get() + g * format.group, panel);
    __builtin_memcpy(ScaleAt(format, lane, panel),
                     static_cast<const char*>(args.scales.get()) + g * scale_bytes, scale_bytes);
    if (minimum_bytes > 0)
      __builtin_memcpy(MinimumAt(format, lane, panel),
                       static_cast<const char*>(args.minima.get()) + g * minimum_bytes,
                       minimum_bytes);
  }
}

// A lane behind the last output.
void PackZeroCodes(const PackedWeight& out, int lane, uint8_t* panel) {
  const WeightFormat& format = out.format;
  uint8_t zeros[32];
  __builtin_memset(zeros, CodeZero(format), sizeof zeros);
  for (int i = 0; i < out.k; i += format.group, panel += GroupOf(format).bytes) {
    PutCodes(format, lane, zeros, panel);
    __builtin_memset(ScaleAt(format, lane, panel), 0, ElementBytes(format.scale));
    if (format.minimum != WeightMinimum::kNone)
      __builtin_memset(MinimumAt(format, lane, panel), 0, MinimumBytes(format.minimum));
  }
}

}  // namespace
}  // namespace qpkv
