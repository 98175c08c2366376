// Matmul: out = x w^T (+ bias, + out) over weights packed in panels of 64 outputs.
#pragma once
#include "kernels/matmul_codes.inl.h"
#include "kernels/matmul_panels.inl.h"

namespace qpkv {
namespace {

// x as rows of PairValue, rounded to bf16: [m, stride].
PairValue* PackRows(Stream& stream, const float* x, int m, int k, size_t stride) {
  PairValue* out = static_cast<PairValue*>(stream.SharedScratch(sizeof(PairValue) * stride * m));
  constexpr int kRowsPerUnit = 16;
  stream.ParallelFor(static_cast<int>(DivideUp(m, kRowsPerUnit)), [&](int unit, int) {
    const int end = (unit + 1) * kRowsPerUnit < m ? (unit + 1) * kRowsPerUnit : m;
    for (int r = unit * kRowsPerUnit; r < end; ++r) {
      const float* from = x + static_cast<size_t>(r) * k;
      PairValue* to = out + r * stride;
      int i = 0;
      for (; i + 32 <= k; i += 32) StorePairValues(to + i / 2, Load(from + i), Load(from + i + 16));
      if (i < k)
        StorePairValues(to + i / 2, LoadN(from + i, k - i), LoadN(from + i + 16, k - i - 16));
    }
  });
  return out;
}

// x, or a copy with a zero behind every row of odd length: pairs need an even depth.
const FloatPair* FloatPairs(Stream& stream, const float* x, int m, int k) {
  if (k % 2 == 0) return reinterpret_cast<const FloatPair*>(x);
  float* padded = static_cast<float*>(stream.SharedScratch(sizeof(float) * (k + 1) * m));
  for (int r = 0; r < m; ++r) {
    __builtin_memcpy(padded + static_cast<size_t>(r) * (k + 1), x + static_cast<size_t>(r) * k,
                     sizeof(float) * k);
    padded[static_cast<size_t>(r) * (k + 1) + k] = 0.0f;
  }
  return reinterpret_cast<const FloatPair*>(padded);
}

template <int kWidth>
void MultiplyIntegers(Stream& stream, const MatmulArgs& args) {
  const bool bytes = args.products == Products::kShort;
  if (bytes && HasByteDots(kWidth)) return MultiplyCodes<ByteDots<kWidth>>(stream, args, true);
  MultiplyCodes<WordDots<kWidth>>(stream, args, bytes);
}

void MultiplyCoded(Stream& stream, const MatmulArgs& args) {
  if (args.products == Products::kFloat)
    return MultiplyPanels<F32Step>(stream, args, UnpackedPanels{args.weight}, args.x,
                                   args.weight.k);
  if (CodeWidth(args.weight.format) == 4) return MultiplyIntegers<4>(stream, args);
  MultiplyIntegers<8>(stream, args);
}

void MultiplyExact(Stream& stream, const MatmulArgs& args) {
  const int k = args.weight.k;
  const Element element = args.weight.format.element;
  if (element == Element::kF32)
    return MultiplyPanels<F32Step>(stream, args, PackedPanels<F32Step>{args.weight}, args.x, k);
  if (element == Element::kF16)
    return MultiplyPanels<F16Step>(stream, args, PackedPanels<F16Step>{args.weight}, args.x, k);
  if (args.products == Products::kShort) {
    // One cache line of padding keeps the rows of a tile out of each other's cache sets.
    const size_t stride = AlignUp(k, 32) / 2 + 16;
    return MultiplyPanels<PairStep>(stream, args, PackedPanels<PairStep>{args.weight},
                                    PackRows(stream, args.x, args.m, k, stride), stride);
  }
  MultiplyPanels<WidePairStep>(stream, args, PackedPanels<WidePairStep>{args.weight},
                               FloatPairs(stream, args.x, args.m, k), AlignUp(k, 2) / 2);
}

void Matmul(Stream& stream, const MatmulArgs& args) {
  if (IsExact(args.weight.format)) return MultiplyExact(stream, args);
  MultiplyCoded(stream, args);
}

}  // namespace
}  // namespace qpkv
