// Part of a packed weight as float32, for statistics that look at weights: the factors of 64
// outputs and some of the input features. Layouts: PackedWeight and ops/weight_layout.h.
#pragma once
#include "base/bf16.h"
#include "base/f16.h"
#include "ops/dense_ops.h"
#include "ops/weight_layout.h"

namespace qpkv {
namespace {

QPKV_INLINE float ReadMetadata(const uint8_t* p, bool f16) {
  if (!f16) {
    float value;
    __builtin_memcpy(&value, p, sizeof value);
    return value;
  }
  uint16_t bits;
  __builtin_memcpy(&bits, p, sizeof bits);
  return F16ToFloat(bits);
}

// One value of a coded panel.
QPKV_INLINE float CodedFactor(const WeightFormat& format, const uint8_t* panel, int k, int lane) {
  const WeightGroup at = GroupOf(format);
  const uint8_t* group = panel + k / format.group * at.bytes;
  const int i = k % format.group, byte = group[CodeByte(format, lane, i)];
  const int code = CodeWidth(format) == 8 ? byte : IsHighNibble(format, i) ? byte >> 4 : byte & 15;
  const float scale = ReadMetadata(group + at.scales + lane * ElementBytes(format.scale),
                                   format.scale == Element::kF16);
  const float value = static_cast<float>(code - CodeZero(format)) * scale;
  if (format.minimum == WeightMinimum::kNone) return value;
  return value + ReadMetadata(group + at.minima + lane * MinimumBytes(format.minimum),
                              format.minimum == WeightMinimum::kF16);
}

// One value of an exact panel.
QPKV_INLINE float ExactFactor(const WeightFormat& format, const uint8_t* panel, int k, int lane) {
  const uint16_t* halves = reinterpret_cast<const uint16_t*>(panel);
  const size_t at = static_cast<size_t>(k) * kPanel + lane;
  if (format.element == Element::kF32) return reinterpret_cast<const float*>(panel)[at];
  if (format.element == Element::kF16) return F16ToFloat(halves[at]);
  return Bf16ToFloat(halves[static_cast<size_t>(k / 2) * 2 * kPanel + 2 * lane + k % 2]);
}

// out [k_end - k_begin][64] of the outputs [64 * panel, ..); outputs beyond the last are 0.
void ReadColumns(const PackedWeight& weight, int panel, int k_begin, int k_end, float* out) {
  const uint8_t* from =
      static_cast<const uint8_t*>(weight.data) + panel * WeightPanelBytes(weight.format, weight.k);
  const bool exact = IsExact(weight.format);
  for (int k = k_begin; k < k_end; ++k, out += kPanel)
    for (int lane = 0; lane < kPanel; ++lane)
      out[lane] = panel * kPanel + lane >= weight.n ? 0.0f
                  : exact                           ? ExactFactor(weight.format, from, k, lane)
                                                    : CodedFactor(weight.format, from, k, lane);
}

}  // namespace
}  // namespace qpkv
