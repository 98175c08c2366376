// Glu: activation(gate) * up.
#pragma once
#include "kernels/soft_cap.inl.h"

namespace qpkv {
namespace {

QPKV_INLINE F32x16 Silu(F32x16 x) { return Div(x, Add(Set(1.0f), Exp(Sub(Zero(), x)))); }

// 0.5 (1 + tanh(u)) = 1 / (1 + exp(-2 u)): nothing cancels where x is far below 0.
QPKV_INLINE F32x16 GeluTanh(F32x16 x) {
  const F32x16 cubic = Fma(Mul(x, x), Set(0.044715f), Set(1.0f));
  const F32x16 u = Mul(Mul(x, Set(-1.5957691216f)), cubic);  // -2 sqrt(2 / pi) (x + 0.044715 x^3)
  return Div(x, Add(Set(1.0f), Exp(u)));
}

void Glu(Stream& stream, const GluArgs& args) {
  constexpr int kRowsPerUnit = 8;
  stream.ParallelFor(static_cast<int>(DivideUp(args.rows, kRowsPerUnit)), [&](int unit, int) {
    const int end = (unit + 1) * kRowsPerUnit < args.rows ? (unit + 1) * kRowsPerUnit : args.rows;
    for (int row = unit * kRowsPerUnit; row < end; ++row) {
      const float* gate = args.gate_up + static_cast<size_t>(row) * 2 * args.dim;
      const float* up = gate + args.dim;
      float* out = args.out + static_cast<size_t>(row) * args.dim;
      for (int i = 0; i < args.dim; i += 16) {
        const int n = args.dim - i;
        const F32x16 g = LoadN(gate + i, n);
        const F32x16 active = args.activation == Activation::kSilu ? Silu(g) : GeluTanh(g);
        StoreN(out + i, Mul(active, LoadN(up + i, n)), n);
      }
    }
  });
}

}  // namespace
}  // namespace qpkv
