// The 16-lane vocabulary on AVX2 with FMA and F16C: two registers per vector. See vec.h for what
// each name means.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "base/bf16.h"
#include "base/f16.h"
#include "base/inline.h"

namespace qpkv {
namespace {

constexpr int kTileRows = 4;  // register tile of matrix products, in rows ...
constexpr int kTileCols =
    1;  // ... and vectors of 16 columns: 8 accumulators, 4 widened operands, 2 splats
constexpr bool kNativePairs = false;
constexpr bool kAnyScale2 = false;
constexpr const char* kIsaName = "avx2";

struct F32x16 {
  __m256 a, b;
};  // lanes 0..7 and 8..15
struct I32x16 {
  __m256i a, b;
};
struct U16x32 {
  __m256i a, b;
};
struct B16x32 {
  __m256i a, b;
};
struct Mask16 {
  __m256 a, b;
};  // all ones or zero
struct B16Table {
  __m256i low, high;
};  // bytes of the 16 values, in both 128-bit halves
struct SplatPair {
  __m256 even, odd;
};
struct PairValue {
  float even, odd;
};  // two factors of one row

#define QPKV_V QPKV_INLINE F32x16
#define QPKV_I QPKV_INLINE I32x16
#define QPKV_U QPKV_INLINE U16x32
#define QPKV_B QPKV_INLINE B16x32
#define QPKV_M QPKV_INLINE Mask16

QPKV_INLINE __m256i LoadBits(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
QPKV_INLINE void StoreBits(void* p, __m256i x) { _mm256_storeu_si256(static_cast<__m256i*>(p), x); }
QPKV_INLINE __m128i LoadHalf(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
QPKV_INLINE void StoreHalf(void* p, __m128i x) { _mm_storeu_si128(static_cast<__m128i*>(p), x); }

QPKV_V Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
QPKV_V Set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
QPKV_V Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
QPKV_V LoadAligned(const float* p) { return {_mm256_load_ps(p), _mm256_load_ps(p + 8)}; }
QPKV_INLINE __m256i LaneMask(int n, int first) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n - first),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
QPKV_V LoadN(const float* p, int n) {
  return {_mm256_maskload_ps(p, LaneMask(n, 0)), _mm256_maskload_ps(p + 8, LaneMask(n, 8))};
}
QPKV_INLINE void Store(float* p, F32x16 x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
QPKV_INLINE void StoreAligned(float* p, F32x16 x) { Store(p, x); }
QPKV_INLINE void StoreN(float* p, F32x16 x, int n) {
  _mm256_maskstore_ps(p, LaneMask(n, 0), x.a);
  _mm256_maskstore_ps(p + 8, LaneMask(n, 8), x.b);
}

QPKV_V Add(F32x16 x, F32x16 y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
QPKV_V Sub(F32x16 x, F32x16 y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
QPKV_V Mul(F32x16 x, F32x16 y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
QPKV_V Div(F32x16 x, F32x16 y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
QPKV_V Max(F32x16 x, F32x16 y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
QPKV_V Min(F32x16 x, F32x16 y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
QPKV_V Abs(F32x16 x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
QPKV_V Sqrt(F32x16 x) { return {_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)}; }
QPKV_V Fma(F32x16 x, F32x16 y, F32x16 z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
QPKV_V RoundEven(F32x16 x) {
  return {_mm256_round_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
          _mm256_round_ps(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
QPKV_I ToInt(F32x16 x) { return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }
QPKV_V ToFloat(I32x16 x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
QPKV_INLINE __m256 PowerOf2(__m256 n) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
QPKV_V Scale2(F32x16 x, F32x16 n) {  // n in [-126, 128]; 128 gives infinity
  return {_mm256_mul_ps(x.a, PowerOf2(n.a)), _mm256_mul_ps(x.b, PowerOf2(n.b))};
}

QPKV_I SetI(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
QPKV_I Iota() {
  return {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
          _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)};
}
QPKV_I LoadI(const int32_t* p) { return {LoadBits(p), LoadBits(p + 8)}; }
QPKV_INLINE void StoreI(int32_t* p, I32x16 x) {
  StoreBits(p, x.a);
  StoreBits(p + 8, x.b);
}
QPKV_I AddI(I32x16 x, I32x16 y) { return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
QPKV_I SubI(I32x16 x, I32x16 y) { return {_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)}; }
QPKV_I MinI(I32x16 x, I32x16 y) { return {_mm256_min_epi32(x.a, y.a), _mm256_min_epi32(x.b, y.b)}; }
QPKV_I MaxI(I32x16 x, I32x16 y) { return {_mm256_max_epi32(x.a, y.a), _mm256_max_epi32(x.b, y.b)}; }
QPKV_I AndI(I32x16 x, I32x16 y) { return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
QPKV_I OrI(I32x16 x, I32x16 y) { return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)}; }
QPKV_I ShiftLeftI(I32x16 x, int bits) {
  const __m128i n = _mm_cvtsi32_si128(bits);
  return {_mm256_sll_epi32(x.a, n), _mm256_sll_epi32(x.b, n)};
}
QPKV_I ShiftRightI(I32x16 x, int bits) {
  const __m128i n = _mm_cvtsi32_si128(bits);
  return {_mm256_srl_epi32(x.a, n), _mm256_srl_epi32(x.b, n)};
}
QPKV_V BitsToFloat(I32x16 x) { return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
QPKV_I BitsOf(F32x16 x) { return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }

QPKV_M Less(F32x16 x, F32x16 y) {
  return {_mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ)};
}
QPKV_M LessEqual(F32x16 x, F32x16 y) {
  return {_mm256_cmp_ps(x.a, y.a, _CMP_LE_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_LE_OQ)};
}
QPKV_M Equal(F32x16 x, F32x16 y) {
  return {_mm256_cmp_ps(x.a, y.a, _CMP_EQ_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_EQ_OQ)};
}
QPKV_M IsNan(F32x16 x) {
  return {_mm256_cmp_ps(x.a, x.a, _CMP_UNORD_Q), _mm256_cmp_ps(x.b, x.b, _CMP_UNORD_Q)};
}
QPKV_M LessI(I32x16 x, I32x16 y) {
  return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(y.a, x.a)),
          _mm256_castsi256_ps(_mm256_cmpgt_epi32(y.b, x.b))};
}
QPKV_M FirstN(int n) {
  return {_mm256_castsi256_ps(LaneMask(n, 0)), _mm256_castsi256_ps(LaneMask(n, 8))};
}
QPKV_M MaskOf(uint32_t bits) {
  const __m256i all = _mm256_set1_epi32(static_cast<int>(bits));
  const __m256i a = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i b = _mm256_slli_epi32(a, 8);
  return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(all, a), a)),
          _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(all, b), b))};
}
QPKV_INLINE uint32_t BitsOfMask(Mask16 m) {
  return static_cast<uint32_t>(_mm256_movemask_ps(m.a)) |
         static_cast<uint32_t>(_mm256_movemask_ps(m.b)) << 8;
}
QPKV_M AndM(Mask16 x, Mask16 y) { return {_mm256_and_ps(x.a, y.a), _mm256_and_ps(x.b, y.b)}; }
QPKV_M OrM(Mask16 x, Mask16 y) { return {_mm256_or_ps(x.a, y.a), _mm256_or_ps(x.b, y.b)}; }
QPKV_M NotM(Mask16 x) {
  const __m256 ones = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
  return {_mm256_xor_ps(x.a, ones), _mm256_xor_ps(x.b, ones)};
}
QPKV_INLINE bool Any(Mask16 m) { return BitsOfMask(m) != 0; }
QPKV_V Select(Mask16 m, F32x16 yes, F32x16 no) {
  return {_mm256_blendv_ps(no.a, yes.a, m.a), _mm256_blendv_ps(no.b, yes.b, m.b)};
}

// Lanes i and i + 8 first, then + 4, + 2, + 1: the same tree on every instruction set.
#define QPKV_REDUCE(NAME, OP)                                                         \
  QPKV_INLINE float NAME(F32x16 x) {                                                  \
    const __m256 h = _mm256_##OP##_ps(x.a, x.b);                                      \
    __m128 q = _mm_##OP##_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1)); \
    q = _mm_##OP##_ps(q, _mm_movehl_ps(q, q));                                        \
    q = _mm_##OP##_ss(q, _mm_shuffle_ps(q, q, 1));                                    \
    return _mm_cvtss_f32(q);                                                          \
  }
QPKV_REDUCE(ReduceAdd, add)
QPKV_REDUCE(ReduceMax, max)
QPKV_REDUCE(ReduceMin, min)
#undef QPKV_REDUCE

QPKV_INLINE __m256 WidenBf16(__m128i x) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}
QPKV_V LoadBf16(const uint16_t* p) { return {WidenBf16(LoadHalf(p)), WidenBf16(LoadHalf(p + 8))}; }
QPKV_V LoadBf16N(const uint16_t* p, int n) {
  uint16_t words[16] = {};
  for (int i = 0; i < 16 && i < n; ++i) words[i] = p[i];
  return LoadBf16(words);
}
QPKV_INLINE __m256i RoundBf16(__m256 x) {  // in the low halves
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256 nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
  return _mm256_srli_epi32(_mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(rounded),
                                                                _mm256_castsi256_ps(quiet), nan)),
                           16);
}
QPKV_INLINE __m256i JoinHalves(__m256i a, __m256i b) {  // low halves of 8 + 8 words, in order
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), _MM_SHUFFLE(3, 1, 2, 0));
}
QPKV_INLINE void StoreBf16(uint16_t* p, F32x16 x) {
  StoreBits(p, JoinHalves(RoundBf16(x.a), RoundBf16(x.b)));
}
QPKV_INLINE void StoreBf16N(uint16_t* p, F32x16 x, int n) {
  uint16_t words[16];
  StoreBf16(words, x);
  for (int i = 0; i < 16 && i < n; ++i) p[i] = words[i];
}
QPKV_V LoadF16(const uint16_t* p) {
  return {_mm256_cvtph_ps(LoadHalf(p)), _mm256_cvtph_ps(LoadHalf(p + 8))};
}
QPKV_V LoadF16N(const uint16_t* p, int n) {
  uint16_t words[16] = {};
  for (int i = 0; i < 16 && i < n; ++i) words[i] = p[i];
  return LoadF16(words);
}
QPKV_INLINE void StoreF16(uint16_t* p, F32x16 x) {
  StoreHalf(p, _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
  StoreHalf(p + 8, _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
}
QPKV_INLINE void StoreF16N(uint16_t* p, F32x16 x, int n) {
  uint16_t words[16];
  StoreF16(words, x);
  for (int i = 0; i < 16 && i < n; ++i) p[i] = words[i];
}
QPKV_I LoadU8I(const uint8_t* p) {
  const __m128i bytes = LoadHalf(p);
  return {_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))};
}
QPKV_V LoadU8(const uint8_t* p) { return ToFloat(LoadU8I(p)); }
// Values in 0..255.
QPKV_INLINE void StoreU8(uint8_t* p, I32x16 x) {
  const __m256i words = JoinHalves(x.a, x.b);
  StoreHalf(p, _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}

// ---- bf16 pairs
QPKV_B LoadB16(const uint16_t* p) { return {LoadBits(p), LoadBits(p + 16)}; }
QPKV_INLINE void StoreB16(uint16_t* p, B16x32 x) {
  StoreBits(p, x.a);
  StoreBits(p + 16, x.b);
}
QPKV_V Even(B16x32 x) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(x.a, 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(x.b, 16))};
}
QPKV_V Odd(B16x32 x) {
  const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  return {_mm256_castsi256_ps(_mm256_and_si256(x.a, high)),
          _mm256_castsi256_ps(_mm256_and_si256(x.b, high))};
}
QPKV_B PackPairs(F32x16 even, F32x16 odd) {
  return {_mm256_or_si256(RoundBf16(even.a), _mm256_slli_epi32(RoundBf16(odd.a), 16)),
          _mm256_or_si256(RoundBf16(even.b), _mm256_slli_epi32(RoundBf16(odd.b), 16))};
}
QPKV_B PackB16(F32x16 first, F32x16 second) {
  return {JoinHalves(RoundBf16(first.a), RoundBf16(first.b)),
          JoinHalves(RoundBf16(second.a), RoundBf16(second.b))};
}
QPKV_V DotPairs(F32x16 acc, B16x32 x, B16x32 y) {
  return Fma(Even(x), Even(y), Fma(Odd(x), Odd(y), acc));
}
QPKV_INLINE SplatPair SetPair(PairValue pair) {
  return {_mm256_set1_ps(pair.even), _mm256_set1_ps(pair.odd)};
}
QPKV_INLINE SplatPair SetPair(const PairValue* pair) {
  return {_mm256_broadcast_ss(&pair->even), _mm256_broadcast_ss(&pair->odd)};
}
QPKV_V DotSplat(F32x16 acc, B16x32 x, SplatPair y) {
  return Fma(Even(x), {y.even, y.even}, Fma(Odd(x), {y.odd, y.odd}, acc));
}
// 32 consecutive factors (16 pairs) of a row, rounded to bf16.
QPKV_INLINE void StorePairValues(PairValue* p, F32x16 first, F32x16 second) {
  float* out = &p->even;
  const __m256 parts[4] = {first.a, first.b, second.a, second.b};
  for (int i = 0; i < 4; ++i)
    _mm256_storeu_ps(out + 8 * i, _mm256_castsi256_ps(_mm256_slli_epi32(RoundBf16(parts[i]), 16)));
}

// ---- 16-bit words
QPKV_U LoadU16(const uint16_t* p) { return {LoadBits(p), LoadBits(p + 16)}; }
QPKV_INLINE void StoreU16(uint16_t* p, U16x32 x) {
  StoreBits(p, x.a);
  StoreBits(p + 16, x.b);
}
QPKV_U SetU16(uint16_t x) {
  const __m256i all = _mm256_set1_epi16(static_cast<short>(x));
  return {all, all};
}
QPKV_U ZeroU16() { return SetU16(0); }
QPKV_U AndU16(U16x32 x, U16x32 y) {
  return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)};
}
QPKV_U OrU16(U16x32 x, U16x32 y) { return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)}; }
QPKV_U AddU16(U16x32 x, U16x32 y) {
  return {_mm256_add_epi16(x.a, y.a), _mm256_add_epi16(x.b, y.b)};
}
QPKV_U ShiftLeftU16(U16x32 x, int bits) {
  const __m128i n = _mm_cvtsi32_si128(bits);
  return {_mm256_sll_epi16(x.a, n), _mm256_sll_epi16(x.b, n)};
}
QPKV_U ShiftRightU16(U16x32 x, int bits) {
  const __m128i n = _mm_cvtsi32_si128(bits);
  return {_mm256_srl_epi16(x.a, n), _mm256_srl_epi16(x.b, n)};
}
QPKV_I EvenWords(U16x32 x) {
  const __m256i low = _mm256_set1_epi32(0xffff);
  return {_mm256_and_si256(x.a, low), _mm256_and_si256(x.b, low)};
}
QPKV_I OddWords(U16x32 x) { return {_mm256_srli_epi32(x.a, 16), _mm256_srli_epi32(x.b, 16)}; }
QPKV_U JoinWords(I32x16 even, I32x16 odd) {
  return {_mm256_or_si256(even.a, _mm256_slli_epi32(odd.a, 16)),
          _mm256_or_si256(even.b, _mm256_slli_epi32(odd.b, 16))};
}
QPKV_B BitsToB16(U16x32 x) { return {x.a, x.b}; }
// Words 0..255 to bf16, exactly.
QPKV_B WordsToB16(U16x32 x) {
  const I32x16 even = BitsOf(ToFloat(EvenWords(x))),
               odd = BitsOf(ToFloat(OddWords(x)));  // 16 zero bits below
  return {_mm256_or_si256(_mm256_srli_epi32(even.a, 16), odd.a),
          _mm256_or_si256(_mm256_srli_epi32(even.b, 16), odd.b)};
}
// Words 0..15 through a table of 16 bf16 values (given as bits).
QPKV_INLINE B16Table MakeB16Table(const uint16_t* table) {
  uint8_t low[16], high[16];
  for (int i = 0; i < 16; ++i) {
    low[i] = static_cast<uint8_t>(table[i]);
    high[i] = static_cast<uint8_t>(table[i] >> 8);
  }
  return {_mm256_broadcastsi128_si256(LoadHalf(low)), _mm256_broadcastsi128_si256(LoadHalf(high))};
}
QPKV_INLINE __m256i LookupWords(B16Table table, __m256i words) {
  // pshufb gives zero for bytes with the top bit set: the low byte of a word looks up, the high
  // byte stays empty.
  const __m256i index = _mm256_or_si256(words, _mm256_set1_epi16(static_cast<short>(0x8000)));
  return _mm256_or_si256(_mm256_shuffle_epi8(table.low, index),
                         _mm256_slli_epi16(_mm256_shuffle_epi8(table.high, index), 8));
}
QPKV_B LookupB16(B16Table table, U16x32 words) {
  return {LookupWords(table, words.a), LookupWords(table, words.b)};
}

// Sums of four vectors.
QPKV_INLINE void ReduceAdd4(const F32x16 (&x)[4], float* sums) {
  for (int i = 0; i < 4; ++i) sums[i] = ReduceAdd(x[i]);
}
// Words 0..15 through a table of 16 words.
QPKV_U LookupU16(B16Table table, U16x32 words) {
  return {LookupWords(table, words.a), LookupWords(table, words.b)};
}
// acc[i] + a[2i] b[2i] + a[2i + 1] b[2i + 1] with signed words, exact in int32.
QPKV_I DotWords(I32x16 acc, U16x32 x, U16x32 y) {
  return {_mm256_add_epi32(acc.a, _mm256_madd_epi16(x.a, y.a)),
          _mm256_add_epi32(acc.b, _mm256_madd_epi16(x.b, y.b))};
}
QPKV_U SetWordPair(const uint32_t* pair) {
  const __m256i all = _mm256_set1_epi32(static_cast<int>(*pair));
  return {all, all};
}
// 32 consecutive integers in -32768..32767 as words.
QPKV_U PackWords(I32x16 first, I32x16 second) {
  return {_mm256_permute4x64_epi64(_mm256_packs_epi32(first.a, first.b), 0xd8),
          _mm256_permute4x64_epi64(_mm256_packs_epi32(second.a, second.b), 0xd8)};
}
// The low word of each lane is a half.
QPKV_V F16BitsToFloat(I32x16 x) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(x.a, x.b), 0xd8);
  return {_mm256_cvtph_ps(_mm256_castsi256_si128(words)),
          _mm256_cvtph_ps(_mm256_extracti128_si256(words, 1))};
}

QPKV_V Lookup256(const float* table, I32x16 index) {
  return {_mm256_i32gather_ps(table, index.a, 4), _mm256_i32gather_ps(table, index.b, 4)};
}
QPKV_V Lookup16(const float* table, I32x16 index) { return Lookup256(table, index); }

#undef QPKV_V
#undef QPKV_I
#undef QPKV_U
#undef QPKV_B
#undef QPKV_M

}  // namespace
}  // namespace qpkv
