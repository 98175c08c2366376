// The activations of the MLP.
#pragma once
#include "device/platform.h"
#include "ops/dense_ops.h"

namespace qpkv {
namespace cuda {

QPKV_DEVICE float Active(Activation activation, float x) {
  if (activation == Activation::kSilu) return x / (1.0f + expf(-x));
  const float inner = 0.7978845608028654f * (x + 0.044715f * x * x * x);
  return 0.5f * x * (1.0f + tanhf(inner));
}

// A logit under a soft cap; 0: none.
QPKV_DEVICE float Capped(float x, float cap) { return cap > 0 ? cap * tanhf(x / cap) : x; }

}  // namespace cuda
}  // namespace qpkv
