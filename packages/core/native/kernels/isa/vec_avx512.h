// The 16-lane vocabulary on AVX-512 (F, BW, DQ, VL, VNNI, BF16, VBMI): one register per vector. See
// vec.h for what each name means.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "base/inline.h"

namespace qpkv {
namespace {

constexpr int kTileRows = 6;  // register tile of matrix products, in rows ...
constexpr int kTileCols = 4;  // ... and vectors of 16 columns: 24 accumulators, 4 operands, 1 splat
constexpr bool kNativePairs = true;
constexpr bool kAnyScale2 = true;  // Scale2 takes any power
constexpr const char* kIsaName = "avx512";

struct F32x16 {
  __m512 v;
};
struct I32x16 {
  __m512i v;
};
struct U16x32 {
  __m512i v;
};
struct B16x32 {
  __m512i v;
};
struct Mask16 {
  __mmask16 v;
};
struct B16Table {
  __m512i v;
};
using SplatPair = B16x32;
using PairValue = uint32_t;  // two bf16 factors of one row

#define QPKV_V QPKV_INLINE F32x16
#define QPKV_I QPKV_INLINE I32x16
#define QPKV_U QPKV_INLINE U16x32
#define QPKV_B QPKV_INLINE B16x32
#define QPKV_M QPKV_INLINE Mask16

QPKV_V Zero() { return {_mm512_setzero_ps()}; }
QPKV_V Set(float x) { return {_mm512_set1_ps(x)}; }
QPKV_V Load(const float* p) { return {_mm512_loadu_ps(p)}; }
QPKV_V LoadAligned(const float* p) { return {_mm512_load_ps(p)}; }
// The first n lanes; none for n <= 0, all from 16 on.
QPKV_INLINE __mmask16 Lanes(int n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffffu : n <= 0 ? 0u : (1u << n) - 1u);
}
QPKV_V LoadN(const float* p, int n) { return {_mm512_maskz_loadu_ps(Lanes(n), p)}; }
QPKV_INLINE void Store(float* p, F32x16 a) { _mm512_storeu_ps(p, a.v); }
QPKV_INLINE void StoreAligned(float* p, F32x16 a) { _mm512_store_ps(p, a.v); }
QPKV_INLINE void StoreN(float* p, F32x16 a, int n) { _mm512_mask_storeu_ps(p, Lanes(n), a.v); }

QPKV_V Add(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
QPKV_V Sub(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
QPKV_V Mul(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
QPKV_V Div(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
QPKV_V Max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
QPKV_V Min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
QPKV_V Abs(F32x16 a) { return {_mm512_abs_ps(a.v)}; }
QPKV_V Sqrt(F32x16 a) { return {_mm512_sqrt_ps(a.v)}; }
QPKV_V Fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
QPKV_V RoundEven(F32x16 a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
QPKV_I ToInt(F32x16 a) {
  return {_mm512_cvt_roundps_epi32(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
QPKV_V ToFloat(I32x16 a) { return {_mm512_cvtepi32_ps(a.v)}; }
// a * 2^n for integral n; underflows to zero, overflows to infinity.
QPKV_V Scale2(F32x16 a, F32x16 n) { return {_mm512_scalef_ps(a.v, n.v)}; }

QPKV_I SetI(int32_t x) { return {_mm512_set1_epi32(x)}; }
QPKV_I Iota() { return {_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)}; }
QPKV_I LoadI(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
QPKV_INLINE void StoreI(int32_t* p, I32x16 a) { _mm512_storeu_si512(p, a.v); }
QPKV_I AddI(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
QPKV_I SubI(I32x16 a, I32x16 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
QPKV_I MinI(I32x16 a, I32x16 b) { return {_mm512_min_epi32(a.v, b.v)}; }
QPKV_I MaxI(I32x16 a, I32x16 b) { return {_mm512_max_epi32(a.v, b.v)}; }
QPKV_I AndI(I32x16 a, I32x16 b) { return {_mm512_and_si512(a.v, b.v)}; }
QPKV_I OrI(I32x16 a, I32x16 b) { return {_mm512_or_si512(a.v, b.v)}; }
QPKV_I ShiftLeftI(I32x16 a, int bits) { return {_mm512_sll_epi32(a.v, _mm_cvtsi32_si128(bits))}; }
QPKV_I ShiftRightI(I32x16 a, int bits) { return {_mm512_srl_epi32(a.v, _mm_cvtsi32_si128(bits))}; }
QPKV_V BitsToFloat(I32x16 a) { return {_mm512_castsi512_ps(a.v)}; }
QPKV_I BitsOf(F32x16 a) { return {_mm512_castps_si512(a.v)}; }

QPKV_M Less(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
QPKV_M LessEqual(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
QPKV_M Equal(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
QPKV_M IsNan(F32x16 a) { return {_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q)}; }
QPKV_M LessI(I32x16 a, I32x16 b) { return {_mm512_cmplt_epi32_mask(a.v, b.v)}; }
QPKV_M FirstN(int n) { return {Lanes(n)}; }
QPKV_M MaskOf(uint32_t bits) { return {static_cast<__mmask16>(bits)}; }
QPKV_INLINE uint32_t BitsOfMask(Mask16 m) { return m.v; }
QPKV_M AndM(Mask16 a, Mask16 b) { return {static_cast<__mmask16>(a.v & b.v)}; }
QPKV_M OrM(Mask16 a, Mask16 b) { return {static_cast<__mmask16>(a.v | b.v)}; }
QPKV_M NotM(Mask16 a) { return {static_cast<__mmask16>(~a.v)}; }
QPKV_INLINE bool Any(Mask16 m) { return m.v != 0; }
QPKV_V Select(Mask16 m, F32x16 yes, F32x16 no) { return {_mm512_mask_blend_ps(m.v, no.v, yes.v)}; }

QPKV_INLINE __m512 Swap256(__m512 a) { return _mm512_shuffle_f32x4(a, a, _MM_SHUFFLE(1, 0, 3, 2)); }
// Lanes i and i + 8 first, then + 4, + 2, + 1: the same tree on every instruction set.
#define QPKV_REDUCE(NAME, OP)                                                                 \
  QPKV_INLINE float NAME(F32x16 a) {                                                          \
    __m256 h = _mm256_##OP##_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1)); \
    __m128 q = _mm_##OP##_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));         \
    q = _mm_##OP##_ps(q, _mm_movehl_ps(q, q));                                                \
    q = _mm_##OP##_ss(q, _mm_shuffle_ps(q, q, 1));                                            \
    return _mm_cvtss_f32(q);                                                                  \
  }
QPKV_REDUCE(ReduceAdd, add)
QPKV_REDUCE(ReduceMax, max)
QPKV_REDUCE(ReduceMin, min)
#undef QPKV_REDUCE
// Sums of four vectors at once, in an order of their own.
QPKV_INLINE void ReduceAdd4(const F32x16 (&x)[4], float* sums) {
  const __m512 ab =
      _mm512_add_ps(_mm512_unpacklo_ps(x[0].v, x[1].v), _mm512_unpackhi_ps(x[0].v, x[1].v));
  const __m512 cd =
      _mm512_add_ps(_mm512_unpacklo_ps(x[2].v, x[3].v), _mm512_unpackhi_ps(x[2].v, x[3].v));
  const __m512 all =
      _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
  _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}

QPKV_V LoadBf16(const uint16_t* p) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16))};
}
QPKV_V LoadBf16N(const uint16_t* p, int n) {
  return {_mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(Lanes(n), p)), 16))};
}
// vcvtneps2bf16 would flush subnormals; this rounds them like base/bf16.h.
QPKV_INLINE __m256i RoundBf16(__m512 a) {
  const __m512i bits = _mm512_castps_si512(a);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i r = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  r = _mm512_mask_or_epi32(r, _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), bits,
                           _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(r, 16));
}
QPKV_INLINE void StoreBf16(uint16_t* p, F32x16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), RoundBf16(a.v));
}
QPKV_INLINE void StoreBf16N(uint16_t* p, F32x16 a, int n) {
  _mm256_mask_storeu_epi16(p, Lanes(n), RoundBf16(a.v));
}
QPKV_V LoadF16(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
QPKV_V LoadF16N(const uint16_t* p, int n) {
  return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(Lanes(n), p))};
}
QPKV_INLINE void StoreF16(uint16_t* p, F32x16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}
QPKV_INLINE void StoreF16N(uint16_t* p, F32x16 a, int n) {
  _mm256_mask_storeu_epi16(p, Lanes(n), _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}
QPKV_I LoadU8I(const uint8_t* p) {
  return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
QPKV_V LoadU8(const uint8_t* p) { return ToFloat(LoadU8I(p)); }
// Values in 0..255.
QPKV_INLINE void StoreU8(uint8_t* p, I32x16 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}

// ---- bf16 pairs
QPKV_B LoadB16(const uint16_t* p) { return {_mm512_loadu_si512(p)}; }
QPKV_INLINE void StoreB16(uint16_t* p, B16x32 a) { _mm512_storeu_si512(p, a.v); }
QPKV_V Even(B16x32 a) { return {_mm512_castsi512_ps(_mm512_slli_epi32(a.v, 16))}; }
QPKV_V Odd(B16x32 a) {
  return {
      _mm512_castsi512_ps(_mm512_and_si512(a.v, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
}
QPKV_B PackPairs(F32x16 even, F32x16 odd) {
  // [even | odd] as 32 words, then interleaved.
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd.v, even.v);
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return {_mm512_permutexvar_epi16(order, both)};
}
QPKV_B PackB16(F32x16 first, F32x16 second) {
  return {(__m512i)_mm512_cvtne2ps_pbh(second.v, first.v)};
}
QPKV_INLINE F32x16 DotPairs(F32x16 acc, B16x32 a, B16x32 b) {
  return {_mm512_dpbf16_ps(acc.v, (__m512bh)a.v, (__m512bh)b.v)};
}
QPKV_INLINE SplatPair SetPair(PairValue pair) {
  return {_mm512_set1_epi32(static_cast<int>(pair))};
}
QPKV_INLINE SplatPair SetPair(const PairValue* pair) {
  return {_mm512_set1_epi32(static_cast<int>(*pair))};
}
QPKV_V DotSplat(F32x16 acc, B16x32 a, SplatPair b) { return DotPairs(acc, a, b); }
// 32 consecutive factors (16 pairs) of a row, rounded to bf16.
QPKV_INLINE void StorePairValues(PairValue* p, F32x16 first, F32x16 second) {
  _mm512_storeu_si512(p, PackB16(first, second).v);
}

// ---- 16-bit words
QPKV_U LoadU16(const uint16_t* p) { return {_mm512_loadu_si512(p)}; }
QPKV_INLINE void StoreU16(uint16_t* p, U16x32 a) { _mm512_storeu_si512(p, a.v); }
QPKV_U SetU16(uint16_t x) { return {_mm512_set1_epi16(static_cast<short>(x))}; }
QPKV_U ZeroU16() { return {_mm512_setzero_si512()}; }
QPKV_U AndU16(U16x32 a, U16x32 b) { return {_mm512_and_si512(a.v, b.v)}; }
QPKV_U OrU16(U16x32 a, U16x32 b) { return {_mm512_or_si512(a.v, b.v)}; }
QPKV_U AddU16(U16x32 a, U16x32 b) { return {_mm512_add_epi16(a.v, b.v)}; }
QPKV_U ShiftLeftU16(U16x32 a, int bits) { return {_mm512_sll_epi16(a.v, _mm_cvtsi32_si128(bits))}; }
QPKV_U ShiftRightU16(U16x32 a, int bits) {
  return {_mm512_srl_epi16(a.v, _mm_cvtsi32_si128(bits))};
}
QPKV_I EvenWords(U16x32 a) { return {_mm512_and_si512(a.v, _mm512_set1_epi32(0xffff))}; }
QPKV_I OddWords(U16x32 a) { return {_mm512_srli_epi32(a.v, 16)}; }
QPKV_U JoinWords(I32x16 even, I32x16 odd) {
  return {_mm512_or_si512(even.v, _mm512_slli_epi32(odd.v, 16))};
}
QPKV_B BitsToB16(U16x32 a) { return {a.v}; }
// Words 0..255 to bf16, exactly.
QPKV_B WordsToB16(U16x32 a) {
  const __m512i even = _mm512_castps_si512(ToFloat(EvenWords(a)).v),
                odd = _mm512_castps_si512(ToFloat(OddWords(a)).v);
  return {_mm512_or_si512(_mm512_srli_epi32(even, 16), odd)};  // both have 16 zero bits below
}
// Words 0..15 through a table of 16 bf16 values (given as bits).
QPKV_INLINE B16Table MakeB16Table(const uint16_t* table) {
  return {_mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(table)))};
}
QPKV_B LookupB16(B16Table table, U16x32 words) {
  return {_mm512_permutexvar_epi16(words.v, table.v)};
}

// Words 0..15 through a table of 16 words.
QPKV_U LookupU16(B16Table table, U16x32 words) {
  return {_mm512_permutexvar_epi16(words.v, table.v)};
}
// acc[i] + a[2i] b[2i] + a[2i + 1] b[2i + 1] with signed words, exact in int32.
// Not the intrinsic: GCC 12 copies and spills its accumulators in every step.
QPKV_I DotWords(I32x16 acc, U16x32 a, U16x32 b) {
  asm("vpdpwssd %2, %1, %0" : "+v"(acc.v) : "v"(a.v), "v"(b.v));
  return acc;
}
// Sums of byte dots: codes 0..255 by signed bytes, exact in int32. They begin at a number of their
// own.
struct ByteSums {
  __m512i v;
};
constexpr bool HasByteDots(int /*width*/) { return true; }
QPKV_INLINE ByteSums BeginByteDots(const int32_t* from) { return {_mm512_set1_epi32(*from)}; }
QPKV_INLINE ByteSums DotBytes(ByteSums acc, U16x32 codes, U16x32 x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc.v) : "v"(codes.v), "v"(x.v));
  return acc;
}
QPKV_I EndByteDots(ByteSums acc, const int32_t* /*from*/) { return {acc.v}; }
QPKV_U SetWordPair(const uint32_t* pair) { return {_mm512_set1_epi32(static_cast<int>(*pair))}; }
// 32 consecutive integers in -32768..32767 as words.
QPKV_U PackWords(I32x16 first, I32x16 second) {
  const __m512i order =
      _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);  // packing interleaves the 128-bit parts
  return {_mm512_permutexvar_epi64(order, _mm512_packs_epi32(first.v, second.v))};
}
// The low word of each lane is a half.
QPKV_V F16BitsToFloat(I32x16 a) { return {_mm512_cvtph_ps(_mm512_cvtepi32_epi16(a.v))}; }

QPKV_V Lookup16(const float* table, I32x16 index) {
  return {_mm512_permutexvar_ps(index.v, _mm512_loadu_ps(table))};
}
QPKV_V Lookup256(const float* table, I32x16 index) {
  return {_mm512_i32gather_ps(index.v, table, 4)};
}

#undef QPKV_V
#undef QPKV_I
#undef QPKV_U
#undef QPKV_B
#undef QPKV_M

}  // namespace
}  // namespace qpkv
