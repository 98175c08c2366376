// The 16-lane vocabulary on arm64 NEON (base instructions, no bf16 extension): four registers per
// vector. See vec.h for what each name means.
#pragma once
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "base/bf16.h"
#include "base/f16.h"
#include "base/inline.h"

namespace qpkv {
namespace {

constexpr int kTileRows = 4;  // register tile of matrix products, in rows ...
constexpr int kTileCols =
    1;  // ... and vectors of 16 columns: 16 accumulators, 8 widened operands, 2 splats
constexpr bool kNativePairs = false;
constexpr bool kAnyScale2 = false;
constexpr const char* kIsaName = "neon";

struct F32x16 {
  float32x4_t v[4];
};
struct I32x16 {
  int32x4_t v[4];
};
struct U16x32 {
  uint16x8_t v[4];
};
struct B16x32 {
  uint32x4_t v[4];
};
struct Mask16 {
  uint32x4_t v[4];
};  // all ones or zero
struct B16Table {
  uint8x16_t low, high;
};  // bytes of the 16 values
struct SplatPair {
  float32x4_t even, odd;
};
struct PairValue {
  float even, odd;
};  // two factors of one row

#define QPKV_V QPKV_INLINE F32x16
#define QPKV_I QPKV_INLINE I32x16
#define QPKV_U QPKV_INLINE U16x32
#define QPKV_B QPKV_INLINE B16x32
#define QPKV_M QPKV_INLINE Mask16
// The same for each of the four registers i.
#define QPKV_ONE(I, EXPRESSION)          \
  [&]() __attribute__((always_inline)) { \
    constexpr int i = I;                 \
    static_cast<void>(i);                \
    return EXPRESSION;                   \
  }                                      \
  ()
#define QPKV_FOUR(EXPRESSION)                                                    \
  {                                                                              \
    {                                                                            \
      QPKV_ONE(0, EXPRESSION), QPKV_ONE(1, EXPRESSION), QPKV_ONE(2, EXPRESSION), \
          QPKV_ONE(3, EXPRESSION)                                                \
    }                                                                            \
  }

QPKV_V Set(float x) { return {{vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x)}}; }
QPKV_V Zero() { return Set(0.0f); }
QPKV_V Load(const float* p) {
  return {{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}
QPKV_V LoadAligned(const float* p) { return Load(p); }
QPKV_INLINE void Store(float* p, F32x16 a) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]);
}
QPKV_INLINE void StoreAligned(float* p, F32x16 a) { Store(p, a); }
QPKV_V LoadN(const float* p, int n) {
  if (n >= 16) return Load(p);
  float lanes[16] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return Load(lanes);
}
QPKV_INLINE void StoreN(float* p, F32x16 a, int n) {
  if (n >= 16) return Store(p, a);
  float lanes[16];
  Store(lanes, a);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
}

QPKV_V Add(F32x16 a, F32x16 b) { return QPKV_FOUR(vaddq_f32(a.v[i], b.v[i])); }
QPKV_V Sub(F32x16 a, F32x16 b) { return QPKV_FOUR(vsubq_f32(a.v[i], b.v[i])); }
QPKV_V Mul(F32x16 a, F32x16 b) { return QPKV_FOUR(vmulq_f32(a.v[i], b.v[i])); }
QPKV_V Div(F32x16 a, F32x16 b) { return QPKV_FOUR(vdivq_f32(a.v[i], b.v[i])); }
// Not vmaxq: that gives NaN when either is NaN, here the second operand decides.
QPKV_V Max(F32x16 a, F32x16 b) {
  return QPKV_FOUR(vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]));
}
QPKV_V Min(F32x16 a, F32x16 b) {
  return QPKV_FOUR(vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]));
}
QPKV_V Abs(F32x16 a) { return QPKV_FOUR(vabsq_f32(a.v[i])); }
QPKV_V Sqrt(F32x16 a) { return QPKV_FOUR(vsqrtq_f32(a.v[i])); }
QPKV_V Fma(F32x16 a, F32x16 b, F32x16 c) { return QPKV_FOUR(vfmaq_f32(c.v[i], a.v[i], b.v[i])); }
QPKV_V RoundEven(F32x16 a) { return QPKV_FOUR(vrndnq_f32(a.v[i])); }
QPKV_I ToInt(F32x16 a) { return QPKV_FOUR(vcvtnq_s32_f32(a.v[i])); }
QPKV_V ToFloat(I32x16 a) { return QPKV_FOUR(vcvtq_f32_s32(a.v[i])); }
QPKV_V Scale2(F32x16 a, F32x16 n) {  // n in [-126, 128]; 128 gives infinity
  return QPKV_FOUR(vmulq_f32(
      a.v[i],
      vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n.v[i]), vdupq_n_s32(127)), 23))));
}

QPKV_I SetI(int32_t x) {
  return {{vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x)}};
}
QPKV_I LoadI(const int32_t* p) {
  return {{vld1q_s32(p), vld1q_s32(p + 4), vld1q_s32(p + 8), vld1q_s32(p + 12)}};
}
QPKV_I Iota() {
  const int32_t lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return LoadI(lanes);
}
QPKV_INLINE void StoreI(int32_t* p, I32x16 a) {
  for (int i = 0; i < 4; ++i) vst1q_s32(p + 4 * i, a.v[i]);
}
QPKV_I AddI(I32x16 a, I32x16 b) { return QPKV_FOUR(vaddq_s32(a.v[i], b.v[i])); }
QPKV_I SubI(I32x16 a, I32x16 b) { return QPKV_FOUR(vsubq_s32(a.v[i], b.v[i])); }
QPKV_I MinI(I32x16 a, I32x16 b) { return QPKV_FOUR(vminq_s32(a.v[i], b.v[i])); }
QPKV_I MaxI(I32x16 a, I32x16 b) { return QPKV_FOUR(vmaxq_s32(a.v[i], b.v[i])); }
QPKV_I AndI(I32x16 a, I32x16 b) { return QPKV_FOUR(vandq_s32(a.v[i], b.v[i])); }
QPKV_I OrI(I32x16 a, I32x16 b) { return QPKV_FOUR(vorrq_s32(a.v[i], b.v[i])); }
QPKV_I ShiftLeftI(I32x16 a, int bits) { return QPKV_FOUR(vshlq_s32(a.v[i], vdupq_n_s32(bits))); }
QPKV_I ShiftRightI(I32x16 a, int bits) {
  return QPKV_FOUR(
      vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a.v[i]), vdupq_n_s32(-bits))));
}
QPKV_V BitsToFloat(I32x16 a) { return QPKV_FOUR(vreinterpretq_f32_s32(a.v[i])); }
QPKV_I BitsOf(F32x16 a) { return QPKV_FOUR(vreinterpretq_s32_f32(a.v[i])); }

QPKV_M Less(F32x16 a, F32x16 b) { return QPKV_FOUR(vcltq_f32(a.v[i], b.v[i])); }
QPKV_M LessEqual(F32x16 a, F32x16 b) { return QPKV_FOUR(vcleq_f32(a.v[i], b.v[i])); }
QPKV_M Equal(F32x16 a, F32x16 b) { return QPKV_FOUR(vceqq_f32(a.v[i], b.v[i])); }
QPKV_M IsNan(F32x16 a) { return QPKV_FOUR(vmvnq_u32(vceqq_f32(a.v[i], a.v[i]))); }
QPKV_M LessI(I32x16 a, I32x16 b) { return QPKV_FOUR(vcltq_s32(a.v[i], b.v[i])); }
QPKV_M FirstN(int n) { return LessI(Iota(), SetI(n)); }
QPKV_M MaskOf(uint32_t bits) {
  const I32x16 lane = Iota();
  return QPKV_FOUR(vtstq_u32(vdupq_n_u32(bits), vshlq_u32(vdupq_n_u32(1), lane.v[i])));
}
QPKV_INLINE uint32_t BitsOfMask(Mask16 m) {
  const I32x16 lane = Iota();
  uint32_t bits = 0;
  for (int i = 0; i < 4; ++i)
    bits += vaddvq_u32(vandq_u32(m.v[i], vshlq_u32(vdupq_n_u32(1), lane.v[i])));
  return bits;
}
QPKV_M AndM(Mask16 a, Mask16 b) { return QPKV_FOUR(vandq_u32(a.v[i], b.v[i])); }
QPKV_M OrM(Mask16 a, Mask16 b) { return QPKV_FOUR(vorrq_u32(a.v[i], b.v[i])); }
QPKV_M NotM(Mask16 a) { return QPKV_FOUR(vmvnq_u32(a.v[i])); }
QPKV_INLINE bool Any(Mask16 m) {
  return vmaxvq_u32(vorrq_u32(vorrq_u32(m.v[0], m.v[1]), vorrq_u32(m.v[2], m.v[3]))) != 0;
}
QPKV_V Select(Mask16 m, F32x16 yes, F32x16 no) {
  return QPKV_FOUR(vbslq_f32(m.v[i], yes.v[i], no.v[i]));
}

// Lanes i and i + 8 first, then + 4, + 2, + 1: the same tree on every instruction set.
#define QPKV_REDUCE(NAME, VECTORS, EXPRESSION)                                                    \
  QPKV_INLINE float NAME(F32x16 x) {                                                              \
    const F32x16 y = {{x.v[2], x.v[3], x.v[2], x.v[3]}};                                          \
    const F32x16 half = VECTORS(x, y);                                                            \
    const F32x16 z = {{half.v[1], half.v[1], half.v[1], half.v[1]}};                              \
    float lanes[4];                                                                               \
    vst1q_f32(lanes, VECTORS(half, z).v[0]);                                                      \
    const auto pair = [](float a, float b) __attribute__((always_inline)) { return EXPRESSION; }; \
    return pair(pair(lanes[0], lanes[2]), pair(lanes[1], lanes[3]));                              \
  }
QPKV_REDUCE(ReduceAdd, Add, a + b)
QPKV_REDUCE(ReduceMax, Max, a > b ? a : b)
QPKV_REDUCE(ReduceMin, Min, a < b ? a : b)
#undef QPKV_REDUCE
// Sums of four vectors.
QPKV_INLINE void ReduceAdd4(const F32x16 (&x)[4], float* sums) {
  for (int i = 0; i < 4; ++i) sums[i] = ReduceAdd(x[i]);
}

QPKV_V LoadBf16(const uint16_t* p) {
  return QPKV_FOUR(vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)));
}
QPKV_V LoadBf16N(const uint16_t* p, int n) {
  uint16_t words[16] = {};
  for (int i = 0; i < 16 && i < n; ++i) words[i] = p[i];
  return LoadBf16(words);
}
QPKV_INLINE uint32x4_t RoundBf16(float32x4_t x) {  // in the low halves
  const uint32x4_t bits = vreinterpretq_u32_f32(x);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
  const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
  return vshrq_n_u32(vbslq_u32(vceqq_f32(x, x), rounded, quiet), 16);
}
QPKV_INLINE void StoreBf16(uint16_t* p, F32x16 a) {
  for (int i = 0; i < 4; ++i) vst1_u16(p + 4 * i, vmovn_u32(RoundBf16(a.v[i])));
}
QPKV_INLINE void StoreBf16N(uint16_t* p, F32x16 a, int n) {
  uint16_t words[16];
  StoreBf16(words, a);
  for (int i = 0; i < 16 && i < n; ++i) p[i] = words[i];
}
QPKV_V LoadF16(const uint16_t* p) {
  return QPKV_FOUR(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))));
}
QPKV_V LoadF16N(const uint16_t* p, int n) {
  uint16_t words[16] = {};
  for (int i = 0; i < 16 && i < n; ++i) words[i] = p[i];
  return LoadF16(words);
}
QPKV_INLINE void StoreF16(uint16_t* p, F32x16 a) {
  for (int i = 0; i < 4; ++i) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.v[i])));
}
QPKV_INLINE void StoreF16N(uint16_t* p, F32x16 a, int n) {
  uint16_t words[16];
  StoreF16(words, a);
  for (int i = 0; i < 16 && i < n; ++i) p[i] = words[i];
}
QPKV_I LoadU8I(const uint8_t* p) {
  const uint8x16_t bytes = vld1q_u8(p);
  const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_u8(vget_high_u8(bytes));
  return {{vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low))),
           vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(low))),
           vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high))),
           vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(high)))}};
}
QPKV_V LoadU8(const uint8_t* p) { return ToFloat(LoadU8I(p)); }
QPKV_INLINE uint16x8_t JoinHalves(uint32x4_t a, uint32x4_t b) {
  return vcombine_u16(vmovn_u32(a), vmovn_u32(b));
}
// Values in 0..255.
QPKV_INLINE void StoreU8(uint8_t* p, I32x16 a) {
  const uint16x8_t low = JoinHalves(vreinterpretq_u32_s32(a.v[0]), vreinterpretq_u32_s32(a.v[1]));
  const uint16x8_t high = JoinHalves(vreinterpretq_u32_s32(a.v[2]), vreinterpretq_u32_s32(a.v[3]));
  vst1q_u8(p, vcombine_u8(vmovn_u16(low), vmovn_u16(high)));
}

// ---- bf16 pairs
QPKV_B LoadB16(const uint16_t* p) { return QPKV_FOUR(vreinterpretq_u32_u16(vld1q_u16(p + 8 * i))); }
QPKV_INLINE void StoreB16(uint16_t* p, B16x32 a) {
  for (int i = 0; i < 4; ++i) vst1q_u16(p + 8 * i, vreinterpretq_u16_u32(a.v[i]));
}
QPKV_V Even(B16x32 a) { return QPKV_FOUR(vreinterpretq_f32_u32(vshlq_n_u32(a.v[i], 16))); }
QPKV_V Odd(B16x32 a) {
  return QPKV_FOUR(vreinterpretq_f32_u32(vandq_u32(a.v[i], vdupq_n_u32(0xffff0000u))));
}
QPKV_B PackPairs(F32x16 even, F32x16 odd) {
  return QPKV_FOUR(vorrq_u32(RoundBf16(even.v[i]), vshlq_n_u32(RoundBf16(odd.v[i]), 16)));
}
QPKV_B PackB16(F32x16 first, F32x16 second) {
  uint16_t words[32];
  StoreBf16(words, first);
  StoreBf16(words + 16, second);
  return LoadB16(words);
}
QPKV_V DotPairs(F32x16 acc, B16x32 a, B16x32 b) {
  return Fma(Even(a), Even(b), Fma(Odd(a), Odd(b), acc));
}
QPKV_INLINE SplatPair SetPair(PairValue pair) {
  return {vdupq_n_f32(pair.even), vdupq_n_f32(pair.odd)};
}
QPKV_INLINE SplatPair SetPair(const PairValue* pair) {
  return {vld1q_dup_f32(&pair->even), vld1q_dup_f32(&pair->odd)};
}
QPKV_V DotSplat(F32x16 acc, B16x32 a, SplatPair b) {
  const F32x16 even = Even(a), odd = Odd(a);
  return QPKV_FOUR(vfmaq_f32(vfmaq_f32(acc.v[i], odd.v[i], b.odd), even.v[i], b.even));
}
// 32 consecutive factors (16 pairs) of a row, rounded to bf16.
QPKV_INLINE void StorePairValues(PairValue* p, F32x16 first, F32x16 second) {
  float* out = &p->even;
  for (int i = 0; i < 4; ++i) {
    vst1q_f32(out + 4 * i, vreinterpretq_f32_u32(vshlq_n_u32(RoundBf16(first.v[i]), 16)));
    vst1q_f32(out + 16 + 4 * i, vreinterpretq_f32_u32(vshlq_n_u32(RoundBf16(second.v[i]), 16)));
  }
}

// ---- 16-bit words
QPKV_U LoadU16(const uint16_t* p) { return QPKV_FOUR(vld1q_u16(p + 8 * i)); }
QPKV_INLINE void StoreU16(uint16_t* p, U16x32 a) {
  for (int i = 0; i < 4; ++i) vst1q_u16(p + 8 * i, a.v[i]);
}
QPKV_U SetU16(uint16_t x) {
  return {{vdupq_n_u16(x), vdupq_n_u16(x), vdupq_n_u16(x), vdupq_n_u16(x)}};
}
QPKV_U ZeroU16() { return SetU16(0); }
QPKV_U AndU16(U16x32 a, U16x32 b) { return QPKV_FOUR(vandq_u16(a.v[i], b.v[i])); }
QPKV_U OrU16(U16x32 a, U16x32 b) { return QPKV_FOUR(vorrq_u16(a.v[i], b.v[i])); }
QPKV_U AddU16(U16x32 a, U16x32 b) { return QPKV_FOUR(vaddq_u16(a.v[i], b.v[i])); }
QPKV_U ShiftLeftU16(U16x32 a, int bits) {
  return QPKV_FOUR(vshlq_u16(a.v[i], vdupq_n_s16(static_cast<int16_t>(bits))));
}
QPKV_U ShiftRightU16(U16x32 a, int bits) {
  return QPKV_FOUR(vshlq_u16(a.v[i], vdupq_n_s16(static_cast<int16_t>(-bits))));
}
QPKV_I EvenWords(U16x32 a) {
  return QPKV_FOUR(
      vreinterpretq_s32_u32(vandq_u32(vreinterpretq_u32_u16(a.v[i]), vdupq_n_u32(0xffff))));
}
QPKV_I OddWords(U16x32 a) {
  return QPKV_FOUR(vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_u16(a.v[i]), 16)));
}
QPKV_U JoinWords(I32x16 even, I32x16 odd) {
  return QPKV_FOUR(vreinterpretq_u16_s32(vorrq_s32(even.v[i], vshlq_n_s32(odd.v[i], 16))));
}
QPKV_B BitsToB16(U16x32 a) { return QPKV_FOUR(vreinterpretq_u32_u16(a.v[i])); }
// Words 0..255 to bf16, exactly.
QPKV_B WordsToB16(U16x32 a) {
  const I32x16 even = BitsOf(ToFloat(EvenWords(a))),
               odd = BitsOf(ToFloat(OddWords(a)));  // 16 zero bits below
  return QPKV_FOUR(vorrq_u32(vshrq_n_u32(vreinterpretq_u32_s32(even.v[i]), 16),
                             vreinterpretq_u32_s32(odd.v[i])));
}
// Words 0..15 through a table of 16 bf16 values (given as bits).
QPKV_INLINE B16Table MakeB16Table(const uint16_t* table) {
  uint8_t low[16], high[16];
  for (int i = 0; i < 16; ++i) {
    low[i] = static_cast<uint8_t>(table[i]);
    high[i] = static_cast<uint8_t>(table[i] >> 8);
  }
  return {vld1q_u8(low), vld1q_u8(high)};
}
QPKV_INLINE uint16x8_t LookupWords(B16Table table, uint16x8_t words) {
  // An index out of range gives zero: the low byte of a word looks up, the high byte stays empty.
  const uint8x16_t index = vreinterpretq_u8_u16(vorrq_u16(words, vdupq_n_u16(0xff00)));
  return vorrq_u16(vreinterpretq_u16_u8(vqtbl1q_u8(table.low, index)),
                   vshlq_n_u16(vreinterpretq_u16_u8(vqtbl1q_u8(table.high, index)), 8));
}
QPKV_U LookupU16(B16Table table, U16x32 words) { return QPKV_FOUR(LookupWords(table, words.v[i])); }
QPKV_B LookupB16(B16Table table, U16x32 words) { return BitsToB16(LookupU16(table, words)); }
// acc[i] + a[2i] b[2i] + a[2i + 1] b[2i + 1] with signed words, exact in int32.
QPKV_INLINE int32x4_t DotWords4(int32x4_t acc, int16x8_t a, int16x8_t b) {
  return vaddq_s32(acc,
                   vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b)));
}
QPKV_I DotWords(I32x16 acc, U16x32 a, U16x32 b) {
  return QPKV_FOUR(
      DotWords4(acc.v[i], vreinterpretq_s16_u16(a.v[i]), vreinterpretq_s16_u16(b.v[i])));
}
QPKV_U SetWordPair(const uint32_t* pair) {
  return QPKV_FOUR(vreinterpretq_u16_u32(vld1q_dup_u32(pair)));
}
// 32 consecutive integers in -32768..32767 as words.
QPKV_U PackWords(I32x16 first, I32x16 second) {
  const auto narrow = [](int32x4_t low, int32x4_t high) {
    return vreinterpretq_u16_s16(vcombine_s16(vmovn_s32(low), vmovn_s32(high)));
  };
  return QPKV_FOUR(i < 2 ? narrow(first.v[2 * i], first.v[2 * i + 1])
                         : narrow(second.v[2 * i - 4], second.v[2 * i - 3]));
}
// The low word of each lane is a half.
QPKV_V F16BitsToFloat(I32x16 a) {
  return QPKV_FOUR(vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32(vreinterpretq_u32_s32(a.v[i])))));
}

QPKV_V Lookup256(const float* table, I32x16 index) {
  int32_t at[16];
  float lanes[16];
  StoreI(at, index);
  for (int i = 0; i < 16; ++i) lanes[i] = table[at[i]];
  return Load(lanes);
}
QPKV_V Lookup16(const float* table, I32x16 index) { return Lookup256(table, index); }

#undef QPKV_FOUR
#undef QPKV_ONE
#undef QPKV_V
#undef QPKV_I
#undef QPKV_U
#undef QPKV_B
#undef QPKV_M

}  // namespace
}  // namespace qpkv
