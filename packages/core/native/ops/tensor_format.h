// How K or V of one segment is stored: the C++ side of packages/spec/src/tensor-format.ts, field by
// field.
#pragma once
#include <cstdint>

namespace qpkv {

enum class Element : uint8_t { kBf16, kF16, kF32 };
enum class ScalePer : uint8_t { kChannel, kToken };
enum class ZeroPoint : uint8_t { kFloatMinimum, kInteger };
enum class Solver : uint8_t { kMinMax, kHqq022, kHqq028 };
// Which values are kept exactly: those farthest from their group's mean, or those beyond a size.
enum class OutlierRule : uint8_t { kDeviation, kBeyond };
enum class Tensor : uint8_t { kKey, kValue };

static constexpr int ElementBytes(Element e) { return e == Element::kF32 ? 4 : 2; }

struct TensorFormat {
  int bits = 16;  // 16: exact values of type `element`; else codes of 8, 4, 3, 2 or 1 bits
  Element element = Element::kBf16;
  bool rope_before = false;  // keys stored before the rotary embedding
  // Packed formats only:
  ScalePer scale_per = ScalePer::kToken;
  int group = 32;  // tokens (per channel) or channels (per token) that share a scale
  Element metadata = Element::kF16;
  ZeroPoint zero = ZeroPoint::kFloatMinimum;
  Solver solver = Solver::kMinMax;
  double outlier_fraction = 0;  // share of values kept exactly beside the codes
  OutlierRule outlier_rule = OutlierRule::kDeviation;
  double outlier_threshold = 0;  // kBeyond only
  // Device memory, [2^bits] ascending codebook in [-1, 1], or null for uniform codes.
  const float* levels = nullptr;
};

}  // namespace qpkv
