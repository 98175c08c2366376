// Vectors of 16 lanes: the vocabulary in which every kernel is written once. An instruction set's
// file includes its vec_*.h and then the kernels; names, lane order and the order of reductions are
// the same everywhere. All names are local to the including file.
//
//   F32x16   16 floats
//     Zero Set Load LoadN (rest zero) Store StoreN; Add Sub Mul Div Max Min Abs Sqrt;
//     Fma(a, b, c) = ab + c.
//     Max and Min give the second operand when either is NaN: Max(x, best) drops a NaN x,
//     Max(best, x) keeps it.
//     ReduceAdd ReduceMax ReduceMin: lanes i, i + 8 first, then 4, 2, 1. ReduceAdd4: sums of four
//     vectors, each in an order of its own.
//   I32x16   16 int32
//     ToInt rounds half to even; SetI Iota LoadI StoreI AddI SubI MinI MaxI AndI OrI ShiftLeftI
//     ShiftRightI.
//   Mask16   a truth value a lane
//     Less LessEqual Equal IsNan LessI FirstN MaskOf BitsOfMask AndM OrM NotM Any;
//     Select(mask, yes, no).
//   B16x32   16 pairs of bf16; lane i holds elements 2i (even, low half) and 2i + 1
//     LoadB16 StoreB16 Even Odd; PackPairs(even, odd), PackB16(elements 0..15, elements 16..31):
//     round to nearest even.
//     DotPairs(acc, a, b): acc[i] + a[2i] b[2i] + a[2i + 1] b[2i + 1], in float32.
//     DotSplat: the same with one pair for all lanes: SetPair(PairValue). A PairValue is how a
//     row's factors wait in memory for that: 32 bits of bf16 with pair instructions, else two
//     floats (rounded beforehand).
//   U16x32   32 words of 16 bits; lane = word / 2
//     EvenWords OddWords give 16 ints each; JoinWords is their inverse.
//     BitsToB16 takes the words as bf16; WordsToB16 converts 0..255 exactly; LookupB16 takes 0..15
//     through a table. LookupU16 gives words.
//     DotWords(acc, a, b): pair dot of signed words, exact in int32; SetWordPair: one pair for all
//     lanes; PackWords, StoreWords: 32 integers as words; F16BitsToFloat: a half in each lane's low
//     word.
//   ByteSums   16 sums of byte dots: BeginByteDots(from), then DotBytes(sums, codes, factors),
//   0..2^width - 1 by
//     -127..127, four of each a lane, at most eight times; EndByteDots(sums, from): exact int32.
//     HasByteDots(width): whether that is worth more than words here.
//   Memory formats
//     LoadBf16 StoreBf16 LoadF16 StoreF16 (+ N), LoadU8 (codes to floats), LoadU8I, StoreU8.
//     Lookup16, Lookup256: float tables by lane index.
//
// Here, on top of it: Exp2, Exp, Log2, prefetching.
#pragma once
#include "base/inline.h"

namespace qpkv {
namespace {

// Polynomials: least-squares fits of 2^f on [-1/2, 1/2], weighted by 1 / 2^f, with the constant
// term held at 1.
QPKV_INLINE F32x16 Exp2Polynomial(F32x16 f) {  // 1.1e-7 relative
  F32x16 p = Set(1.3218672e-3f);
  p = Fma(p, f, Set(9.6716983e-3f));
  p = Fma(p, f, Set(5.5508930e-2f));
  p = Fma(p, f, Set(2.4022238e-1f));
  p = Fma(p, f, Set(6.9314688e-1f));
  return Fma(p, f, Set(1.0f));
}

// 2^x; 0 below -126, infinity from 127.5 or so on; NaN stays NaN.
QPKV_INLINE F32x16 Exp2(F32x16 x) {
  const F32x16 y = Max(Set(-126.0f), Min(Set(128.0f), x));
  const F32x16 n = RoundEven(y);
  return Select(Less(x, Set(-126.0f)), Zero(), Scale2(Exp2Polynomial(Sub(y, n)), n));
}

// 2^x for x <= 100 from a polynomial for the fraction; 0 below -126, or -150 where Scale2 takes any
// power.
template <class Polynomial>
QPKV_INLINE F32x16 Exp2Falling(F32x16 x, const Polynomial& of) {
  const F32x16 y = Max(Set(kAnyScale2 ? -200.0f : -126.0f), x), n = RoundEven(y);
  const F32x16 power = Scale2(of(Sub(y, n)), n);
  return kAnyScale2 ? power : Select(Less(x, Set(-126.0f)), Zero(), power);
}

// What Exp2 gives where nothing is large, as against the largest of a row.
QPKV_INLINE F32x16 Exp2Down(F32x16 x) {
  return Exp2Falling(
      x, [](F32x16 f) __attribute__((always_inline)) { return Exp2Polynomial(f); });
}

// The same to 3.1e-6 relative, for probabilities that are rounded to bf16 or words afterwards.
QPKV_INLINE F32x16 Exp2Fast(F32x16 x) {
  return Exp2Falling(
      x, [](F32x16 f) __attribute__((always_inline)) {
        F32x16 p = Set(9.6003953e-3f);
        p = Fma(p, f, Set(5.5916894e-2f));
        p = Fma(p, f, Set(2.4023719e-1f));
        p = Fma(p, f, Set(6.9312197e-1f));
        return Fma(p, f, Set(1.0f));
      });
}

// e^x to 5e-7 relative; 0 below -87.3, infinity above 88.3. x log2(e) = n + f with f from x - n ln
// 2 in two steps (Cody and Waite).
QPKV_INLINE F32x16 Exp(F32x16 x) {
  const F32x16 y = Mul(x, Set(1.44269504f));
  const F32x16 n = RoundEven(Max(Set(-126.0f), Min(Set(128.0f), y)));
  const F32x16 r = Fma(n, Set(2.12194440e-4f), Fma(n, Set(-0.693359375f), x));
  const F32x16 f =
      Max(Set(-1.0f), Min(Set(1.0f), Mul(r, Set(1.44269504f))));  // clamped where n was
  return Select(Less(y, Set(-126.0f)), Zero(), Scale2(Exp2Polynomial(f), n));
}

// log2(x) of positive normal x, to 2e-7 absolute where x is near 1 and 1e-7 relative elsewhere;
// below -126 for smaller ones and 0. x = 2^n m, m in [sqrt(1/2), sqrt(2)); the odd series in (m -
// 1) / (m + 1).
QPKV_INLINE F32x16 Log2(F32x16 x) {
  const I32x16 root = SetI(0x3f3504f3);                               // sqrt(1/2)
  const I32x16 above = AddI(SubI(BitsOf(x), root), SetI(128 << 23));  // shifts take no sign
  const I32x16 n = SubI(ShiftRightI(above, 23), SetI(128));
  const F32x16 m = BitsToFloat(SubI(BitsOf(x), ShiftLeftI(n, 23)));
  const F32x16 t = Div(Sub(m, Set(1.0f)), Add(m, Set(1.0f))), tt = Mul(t, t);
  F32x16 p = Set(2.88539008f / 9);  // 2 / ln 2
  p = Fma(p, tt, Set(2.88539008f / 7));
  p = Fma(p, tt, Set(2.88539008f / 5));
  p = Fma(p, tt, Set(2.88539008f / 3));
  p = Fma(p, tt, Set(2.88539008f));
  return Fma(p, t, ToFloat(n));
}

QPKV_INLINE void StoreWords(uint32_t* p, I32x16 first, I32x16 second) {
  StoreU16(reinterpret_cast<uint16_t*>(p), PackWords(first, second));
}

QPKV_INLINE void Prefetch(const void* p) { __builtin_prefetch(p, 0, 2); }  // into L2
QPKV_INLINE void PrefetchL1(const void* p) { __builtin_prefetch(p, 0, 3); }

}  // namespace
}  // namespace qpkv
