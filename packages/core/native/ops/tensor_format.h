// How K or V of one segment is stored, as ops take it; packages/spec/src/plan/tensor-format.ts says
// what the numbers mean.
#pragma once
#include <cstdint>

#include "ops/device_code.h"
#include "ops/format_choices.h"

namespace qpkv {

// kNorm: scales from the norms of groups, so that a group of codes keeps its norm (kKeepNorm) or
// its levels their places. kProximal...: beta grows with every step and a bad first step ends them
// at once, or beta stays and flat groups take the scale 1.
enum class Solver : uint8_t { kMinMax, kProximalGrowing, kProximalConstant, kNorm, kKeepNorm };
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
  float least = 0;               // kMinMax: what a smaller range of a group counts as
  float spread = 0;       // kNorm, kKeepNorm: what the levels stand in, for a group of norm 1
  int balance_steps = 0;  // of two-sided variance normalization; 0: none, else a second scale
  // Device memory, [2^bits] ascending codebook in [-1, 1], or null for uniform codes.
  const float* levels = nullptr;
};

static constexpr bool CountsFromZero(ZeroPoint zero) {
  return zero == ZeroPoint::kInteger || zero == ZeroPoint::kInScale;
}

// What is done to K or V of a layer before storing, in every segment: the mean of the kept tokens
// is subtracted, channels change their signs, runs of as many channels as the largest power of two
// that divides headDim are rotated by the Walsh-Hadamard matrix
//
//   y[c] = sum over j of x[j] (-1)^popcount(c & j) / sqrt(run), c and j counted within the run
//
// which is its own inverse. Pointers may be null: that step is left out.
struct Transform {
  const float* means;  // [heads, dim]
  const float* signs;  // [dim] 1 or -1; only with the rotation
  bool rotate;

  QPKV_DEVICE_CODE bool none() const { return means == nullptr && !rotate; }
};

static constexpr int RotatedRun(int dim) { return dim & -dim; }

}  // namespace qpkv
