// Byte dots on AVX2; vec.h says what the names mean.
#pragma once
#include "kernels/isa/vec_avx2.h"

namespace qpkv {
namespace {

// Sums of byte dots: codes 0..15 by bytes -127..127 stay below 2^15 over the eight quads of a
// group.
struct ByteSums {
  __m256i a, b;
};
constexpr bool HasByteDots(int width) { return width == 4; }
QPKV_INLINE ByteSums BeginByteDots(const int32_t* /*from*/) {
  return {_mm256_setzero_si256(), _mm256_setzero_si256()};
}
QPKV_INLINE ByteSums DotBytes(ByteSums acc, U16x32 codes, U16x32 x) {
  return {_mm256_add_epi16(acc.a, _mm256_maddubs_epi16(codes.a, x.a)),
          _mm256_add_epi16(acc.b, _mm256_maddubs_epi16(codes.b, x.b))};
}
QPKV_INLINE I32x16 EndByteDots(ByteSums acc, const int32_t* from) {
  const __m256i one = _mm256_set1_epi16(1), start = _mm256_set1_epi32(*from);
  return {_mm256_add_epi32(start, _mm256_madd_epi16(acc.a, one)),
          _mm256_add_epi32(start, _mm256_madd_epi16(acc.b, one))};
}

}  // namespace
}  // namespace qpkv
