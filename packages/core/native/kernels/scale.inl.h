// Scale: a factor and a soft cap on every value.
#pragma once
#include "kernels/soft_cap.inl.h"

namespace qpkv {
namespace {

void Scale(Stream& stream, const ScaleArgs& args) {
  constexpr size_t kUnit = 8192;
  stream.ParallelFor(static_cast<int>(DivideUp(args.count, kUnit)), [&](int unit, int) {
    const size_t begin = unit * kUnit;
    const size_t end = begin + kUnit < args.count ? begin + kUnit : args.count;
    const F32x16 factor = Set(args.factor);
    const SoftCap cap = SoftCapOf(args.cap > 0 ? args.cap : 1.0f);
    for (size_t i = begin; i < end; i += 16) {
      const int n = end - i < 16 ? static_cast<int>(end - i) : 16;
      F32x16 x = Mul(LoadN(args.x + i, n), factor);
      if (args.cap > 0) x = Capped(cap, x);
      if (args.accumulate) x = Add(LoadN(args.out + i, n), x);
      StoreN(args.out + i, x, n);
    }
  });
}

}  // namespace
}  // namespace qpkv
