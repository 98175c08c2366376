// Part of a packed weight as float32, for statistics that look at weights: the factors of 64
// outputs and some of the input features. The layout is that above PackedWeight.
#pragma once
#include "base/bf16.h"
#include "base/f16.h"
#include "kernels/pack_weight.inl.h"

namespace qpkv {
namespace {

// out [k_end - k_begin][64] of the outputs [64 * panel, ..); outputs beyond the last are 0.
void UnpackPanel(const PackedWeight& weight, int panel, int k_begin, int k_end, float* out) {
  const size_t start = static_cast<size_t>(panel) * kPanel * AlignUp(weight.k, 2);
  const uint16_t* halves = static_cast<const uint16_t*>(weight.data) + start;
  const float* floats = static_cast<const float*>(weight.data) + start;
  for (int k = k_begin; k < k_end; ++k, out += kPanel)
    for (int lane = 0; lane < kPanel; ++lane) {
      const size_t at = static_cast<size_t>(k) * kPanel + lane;
      if (weight.format.element == Element::kF32)
        out[lane] = floats[at];
      else if (weight.format.element == Element::kF16)
        out[lane] = F16ToFloat(halves[at]);
      else
        out[lane] = Bf16ToFloat(halves[static_cast<size_t>(k / 2) * 2 * kPanel + 2 * lane + k % 2]);
    }
}

}  // namespace
}  // namespace qpkv
