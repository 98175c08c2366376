// How the elements of a weight matrix are stored, as data: exactly, or as codes in groups along the
// input features. Coded formats hold every value as code * scale + minimum:
//
//   bits  group  scale  minimum   holds
//   8     32     f16    none      GGUF's Q8_0, and weights: 'int8'
//   4     32     f16    none      GGUF's Q4_0, and weights: 'int4'
//   4     32     f16    f16       GGUF's Q4_1
//   5     32     f16    none/f16  GGUF's Q5_0, Q5_1
//   6     16     f32    none      GGUF's Q6_K: scale times sub-scale, multiplied out
//   4, 5  32     f32    f32       GGUF's Q4_K, Q5_K, likewise
//
//   6     16     f32    f32       Q4_K and Q6_K stacked in one matrix
//
// Without a minimum codes are signed: stored plus 2^(bits - 1).
#pragma once
#include <cstdint>

#include "ops/tensor_format.h"

namespace qpkv {

enum class WeightMinimum : uint8_t { kNone, kF16, kF32 };

struct WeightFormat {
  int bits = 16;  // 16 or 32: exact values of type `element`; else codes of 4, 5, 6 or 8 bits
  Element element = Element::kBf16;
  // Coded formats only:
  int group = 32;                 // input features that share a scale: 16 or 32
  Element scale = Element::kF16;  // kF16 or kF32
  WeightMinimum minimum = WeightMinimum::kNone;
};

static constexpr bool IsExact(const WeightFormat& format) { return format.bits >= 16; }

static constexpr WeightFormat ExactWeights(Element element) {
  WeightFormat format;
  format.bits = 8 * ElementBytes(element);
  format.element = element;
  return format;
}

static constexpr bool operator==(const WeightFormat& a, const WeightFormat& b) {
  if (IsExact(a) || IsExact(b)) return a.bits == b.bits && a.element == b.element;
  return a.bits == b.bits && a.group == b.group && a.scale == b.scale && a.minimum == b.minimum;
}
static constexpr bool operator!=(const WeightFormat& a, const WeightFormat& b) { return !(a == b); }

}  // namespace qpkv
