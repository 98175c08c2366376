// Natural logarithm of vectors of positive, normal floats, to 2e-7 of max(1, |ln x|): x = m 2^e
// with m in [sqrt(1/2), sqrt(2)), and ln m = 2 atanh((m - 1) / (m + 1)) by its series.
#pragma once

namespace qpkv {
namespace {

QPKV_INLINE F32x16 Log(F32x16 x) {
  const I32x16 bits = BitsOf(x);
  // Exponent of x / sqrt(1/2), so that m lies around 1.
  const I32x16 shifted = SubI(bits, SetI(0x3f3504f3));
  const I32x16 exponent = AndI(shifted, SetI(static_cast<int32_t>(0xff800000u)));
  const F32x16 m = BitsToFloat(SubI(bits, exponent));
  const F32x16 e = Mul(ToFloat(exponent), Set(1.0f / 8388608.0f));
  const F32x16 s = Div(Sub(m, Set(1.0f)), Add(m, Set(1.0f)));
  const F32x16 square = Mul(s, s);
  F32x16 p = Set(2.0f / 9);
  p = Fma(p, square, Set(2.0f / 7));
  p = Fma(p, square, Set(2.0f / 5));
  p = Fma(p, square, Set(2.0f / 3));
  p = Mul(Mul(p, square), s);
  return Fma(e, Set(0.693147181f), Fma(s, Set(2.0f), p));
}

}  // namespace
}  // namespace qpkv
