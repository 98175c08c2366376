// Argmax: the first of the largest logits, and whether any is NaN.
#pragma once

namespace qpkv {
namespace {

void Argmax(Stream&, const ArgmaxArgs& args) {
  F32x16 best = Set(-__builtin_inff());
  Mask16 nan = FirstN(0);
  for (int i = 0; i < args.n; i += 16) {
    const int n = args.n - i;
    const F32x16 x = Select(FirstN(n), LoadN(args.logits + i, n), best);
    nan = OrM(nan, IsNan(x));
    best = Max(x, best);  // a NaN x loses
  }
  const float most = ReduceMax(best);
  *args.has_nan.get() = Any(nan);
  *args.best.get() = 0;
  for (int i = 0; i < args.n; ++i)
    if (args.logits[i] == most) {
      *args.best.get() = i;
      break;
    }
}

}  // namespace
}  // namespace qpkv
