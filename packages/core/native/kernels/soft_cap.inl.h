// cap * tanh(x / cap): logits that stay within +-cap.
#pragma once

namespace qpkv {
namespace {

// Within 2e-7 of tanh everywhere.
QPKV_INLINE F32x16 Tanh(F32x16 x) {
  return Sub(Set(1.0f), Div(Set(2.0f), Add(Exp(Add(x, x)), Set(1.0f))));
}

struct SoftCap {
  F32x16 cap, inverse;
};
QPKV_INLINE SoftCap SoftCapOf(float cap) { return {Set(cap), Set(1.0f / cap)}; }
QPKV_INLINE F32x16 Capped(const SoftCap& soft, F32x16 x) {
  return Mul(soft.cap, Tanh(Mul(x, soft.inverse)));
}

}  // namespace
}  // namespace qpkv
