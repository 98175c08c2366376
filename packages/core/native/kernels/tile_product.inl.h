// The inner loop of every matrix product: a register tile of rows x (16-lane vectors), summed over
// steps.
//
//   acc[r][c] += sum over s of a[r * a_stride + s] * b[s * b_step + vector c]
//
// where a value (or pair) of a is the same for all lanes.
//
// A Step says what a factor is: a bf16 pair, or one float32 against float32 or float16.
#pragma once

namespace qpkv {
namespace {

// bf16 pairs with the pair dot. Rows wait as PairValue, the other side as [step][lane][pair] bf16.
struct PairStep {
  using A = PairValue;
  using B = uint16_t;
  static constexpr int kDepth = 2;  // factors per step
  static constexpr int kRows = kTileRows, kCols = kTileCols;
  QPKV_INLINE B16x32 LoadB(const B* p) { return LoadB16(p); }
  QPKV_INLINE SplatPair LoadA(const A* p) { return SetPair(p); }
  QPKV_INLINE F32x16 Multiply(F32x16 acc, B16x32 b, SplatPair a) { return DotSplat(acc, b, a); }
  // 32 factors of a row.
  QPKV_INLINE void StoreA(A* p, F32x16 first, F32x16 second) { StorePairValues(p, first, second); }
};

struct F32Step {
  using A = float;
  using B = float;
  static constexpr int kDepth = 1;
  static constexpr int kRows = kTileRows, kCols = kTileCols;
  QPKV_INLINE F32x16 LoadB(const B* p) { return Load(p); }
  QPKV_INLINE F32x16 LoadA(const A* p) { return Set(*p); }
  QPKV_INLINE F32x16 Multiply(F32x16 acc, F32x16 b, F32x16 a) { return Fma(b, a, acc); }
  QPKV_INLINE void StoreA(A* p, F32x16 first, F32x16 second) {
    Store(p, first);
    Store(p + 16, second);
  }
};

struct F16Step {
  using A = float;
  using B = uint16_t;
  static constexpr int kDepth = 1;
  static constexpr int kRows = kTileRows, kCols = kTileCols;
  QPKV_INLINE F32x16 LoadB(const B* p) { return LoadF16(p); }
  QPKV_INLINE F32x16 LoadA(const A* p) { return Set(*p); }
  QPKV_INLINE F32x16 Multiply(F32x16 acc, F32x16 b, F32x16 a) { return Fma(b, a, acc); }
};

// bf16 pairs on one side, float32 on the other: bf16 weights under Precision::kF32.
struct WidePair {
  F32x16 even, odd;
};
struct FloatPair {
  float even, odd;
};
struct WidePairStep {
  using A = FloatPair;
  using B = uint16_t;
  static constexpr int kDepth = 2;
  // Operands are two vectors: half the columns, and where that leaves registers, twice the rows, so
  // that a bf16 becomes float32 once for all of them.
  static constexpr int kCols = kTileCols > 1 ? kTileCols / 2 : 1;
  static constexpr int kRows = kTileCols / kCols * kTileRows;
  QPKV_INLINE WidePair LoadB(const B* p) {
    const B16x32 pairs = LoadB16(p);
    return {Even(pairs), Odd(pairs)};
  }
  QPKV_INLINE WidePair LoadA(const A* p) { return {Set(p->even), Set(p->odd)}; }
  QPKV_INLINE F32x16 Multiply(F32x16 acc, WidePair b, WidePair a) {
    return Fma(b.even, a.even, Fma(b.odd, a.odd, acc));
  }
};

// kAhead > 0: what lies so many bytes behind is fetched meanwhile.
template <class Step, int kRows, int kCols, int kAhead = 0>
QPKV_INLINE void TileProduct(F32x16 (&acc)[kRows][kCols], const typename Step::A* a,
                             size_t a_stride, const typename Step::B* b, size_t b_step, int steps) {
  constexpr int kVector = 16 * Step::kDepth;
  for (int s = 0; s < steps; ++s, b += b_step) {
    decltype(Step::LoadB(b)) operand[kCols];
#pragma GCC unroll 8
    for (int c = 0; c < kCols; ++c) {
      operand[c] = Step::LoadB(b + c * kVector);
      if (kAhead > 0)
        for (size_t i = 0; i < sizeof(*b) * kVector; i += 64)
          PrefetchL1(reinterpret_cast<const char*>(b + c * kVector) + i + kAhead);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const auto factor = Step::LoadA(a + r * a_stride + s);
#pragma GCC unroll 8
      for (int c = 0; c < kCols; ++c) acc[r][c] = Step::Multiply(acc[r][c], operand[c], factor);
    }
  }
}

}  // namespace
}  // namespace qpkv
