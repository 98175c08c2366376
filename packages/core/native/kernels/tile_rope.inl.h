// Keys that are stored before the rotary embedding: rotated by their own positions after decoding.
// The query comes rotated already.
#pragma once
#include "kernels/tile_view.inl.h"

namespace qpkv {
namespace {

struct RopeRotation {
  const float* inv_freq;  // [rotary_dim / 2]
  float scale;
  int rotary_dim;  // channels, from the first on
};

// Sine and cosine for |x| up to about 1e6, to 2e-7: reduction by pi / 2 in three parts, then
// minimax polynomials on [-pi/4, pi/4].
QPKV_INLINE void SinCos(F32x16 x, F32x16* sine, F32x16* cosine) {
  const F32x16 n = RoundEven(Mul(x, Set(0.636619772f)));
  // The first two parts have few enough bits that n times them is exact for n < 2^16.
  F32x16 r = Fma(n, Set(-1.5703125f), x);
  r = Fma(n, Set(-4.837512969970703125e-4f), r);
  r = Fma(n, Set(-7.54978995489188216e-8f), r);
  const F32x16 z = Mul(r, r);
  F32x16 s = Set(-1.9515295891e-4f);
  s = Fma(s, z, Set(8.3321608736e-3f));
  s = Fma(s, z, Set(-1.6666654611e-1f));
  s = Fma(Mul(s, z), r, r);
  F32x16 c = Set(2.443315711809948e-5f);
  c = Fma(c, z, Set(-1.388731625493765e-3f));
  c = Fma(c, z, Set(4.166664568298827e-2f));
  c = Fma(Mul(c, z), z, Fma(z, Set(-0.5f), Set(1.0f)));
  const I32x16 quadrant = AndI(ToInt(n), SetI(3));
  const F32x16 odd = ToFloat(AndI(quadrant, SetI(1)));
  const Mask16 swap = Less(Zero(), odd);
  const Mask16 sine_negative = LessI(SetI(1), quadrant);  // quadrants 2 and 3
  const F32x16 next = ToFloat(AndI(AddI(quadrant, SetI(1)), SetI(3)));
  const Mask16 cosine_negative = Less(Set(1.5f), next);  // quadrants 1 and 2
  const F32x16 s0 = Select(swap, c, s), c0 = Select(swap, s, c);
  *sine = Select(sine_negative, Sub(Zero(), s0), s0);
  *cosine = Select(cosine_negative, Sub(Zero(), c0), c0);
}

// Turns the first channels of one decoded block, [dim / 2][pair][lane] with lanes tokens, in place.
static void RotateKeys(const TileView& v, int block, const RopeRotation& rope, float* x) {
  const int32_t* positions =
      reinterpret_cast<const int32_t*>(v.data + v.at.positions) + block * kLanes;
  const F32x16 position = ToFloat(LoadI(positions));
  const int half = rope.rotary_dim / 2;
  for (int c = 0; c < half; ++c) {
    F32x16 sine, cosine;
    SinCos(Mul(position, Set(rope.inv_freq[c])), &sine, &cosine);
    sine = Mul(sine, Set(rope.scale));
    cosine = Mul(cosine, Set(rope.scale));
    float* a = x + c / 2 * 32 + c % 2 * 16;
    float* b = x + (c + half) / 2 * 32 + (c + half) % 2 * 16;
    const F32x16 first = Load(a), second = Load(b);
    Store(a, Sub(Mul(first, cosine), Mul(second, sine)));
    Store(b, Fma(second, cosine, Mul(first, sine)));
  }
}

}  // namespace
}  // namespace qpkv
