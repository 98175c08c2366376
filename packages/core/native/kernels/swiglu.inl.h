// Swiglu: silu(gate) * up.
#pragma once

namespace qpkv {
namespace {

void Swiglu(Stream& stream, const SwigluArgs& args) {
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
        const F32x16 silu = Div(g, Add(Set(1.0f), Exp(Sub(Zero(), g))));
        StoreN(out + i, Mul(silu, LoadN(up + i, n)), n);
      }
    }
  });
}

}  // namespace
}  // namespace qpkv
