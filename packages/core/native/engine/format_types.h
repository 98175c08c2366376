// Written by tools/generate-plan.ts from packages/spec/src/plan/tensor-format.ts.
#pragma once
#include <optional>
#include <variant>
#include <vector>

#include "ops/format_choices.h"

namespace qpkv::plan {

// Bits of one stored value. 16 stands for an exact element, see ExactFormat.
using Bits = int;

// A tensor stored value by value. "16 bit" in the papers' sense; `element: 'f32'` is the float32
// mode.
struct ExactFormat {
  Element element{};
};
template <class Visit>
void Fields(Visit& visit, ExactFormat& it) {
  visit.Literal("bits", 16);
  visit("element", it.element);
}

// See PackedFormat.
struct Codebook {
  std::vector<double> codebook{};
};
template <class Visit>
void Fields(Visit& visit, Codebook& it) {
  visit("codebook", it.codebook);
}

// A second scale, for what has none: per token with scales per channel, per channel with scales per
// token. It evens out the standard deviations of both in so many alternating steps, of which the
// most even one counts (arXiv 2606.03458).
struct Balance {
  int steps{};
};
template <class Visit>
void Fields(Visit& visit, Balance& it) {
  visit("steps", it.steps);
}

// The range of a group, which counts as `least` where it is smaller; left out: 0.
struct MinMaxSolver {
  std::optional<double> least{};
};
template <class Visit>
void Fields(Visit& visit, MinMaxSolver& it) {
  visit.Literal("kind", "min-max");
  visit("least", it.least);
}

// Codes are the levels nearest to the values over `spread` times the group's norm. Stored is that
// scale, or with `keep` the one that gives what is read back the norm of the group.
struct NormSolver {
  double spread{};
  bool keep{};
};
template <class Visit>
void Fields(Visit& visit, NormSolver& it) {
  visit.Literal("kind", "norm");
  visit("spread", it.spread);
  visit("keep", it.keep);
}

// Refines float minima by proximal iterations, over the block quantized at once, for the l_norm of
// the errors (half-quadratic quantization, arXiv 2309.15531). Scales are capped at the inverse 2e4.
struct ProximalSolver {
  int steps{};
  double norm{};
  double beta{};
  // Every step multiplies beta by this.
  double growth{};
  // The steps end at once where the first leaves a mean error that is not below this; left out: any
  // is.
  std::optional<double> limit{};
  // Groups whose range is at most this take the scale 1; 0: only those of one value are apart,
  // stored exactly.
  double flat{};
};
template <class Visit>
void Fields(Visit& visit, ProximalSolver& it) {
  visit.Literal("kind", "proximal");
  visit("steps", it.steps);
  visit("norm", it.norm);
  visit("beta", it.beta);
  visit("growth", it.growth);
  visit("limit", it.limit);
  visit("flat", it.flat);
}

// How scale and offset are found.
using Solver = std::variant<MinMaxSolver, ProximalSolver, NormSolver>;

// `beyond`: per tile the values whose size is greater than `threshold`, the largest first where
// there are more than the capacity (ties: the earlier token, then the lower channel). Such a value
// is coded, and counts in its group's range, as 0. Others that are beyond are coded as they are.
struct OutlierRule {
  double threshold{};
};
template <class Visit>
void Fields(Visit& visit, OutlierRule& it) {
  visit.Literal("kind", "beyond");
  visit("threshold", it.threshold);
}

// A tensor stored in codes of 1, 2, 3, 4 or 8 bits with a scale and an offset per group: `value =
// level[code] * scale + minimum`. Scale and minimum are rounded to `metadata` first and codes are
// computed with the rounded ones (true division, half to even). A group whose scale is 0 takes its
// minimum.
struct PackedFormat {
  enum class Metadata : uint8_t { kF16, kF32 };
  enum class LevelsName : uint8_t { kUniform };
  int bits{};
  ScalePer scale_per{};
  // Tokens (16, 32, 64 or 128) or channels (a multiple of 8 below the head dimension, or all) that
  // share a scale. The last group may be short.
  int group{};
  Metadata metadata{};
  ZeroPoint zero{};
  // `uniform`: level[code] = code. A codebook: 2^bits ascending levels, for a group scaled to [-1,
  // 1] (then minimum is the group's centre), or by its norm.
  std::variant<LevelsName, Codebook> levels{};
  Solver solver{};
  // Values kept exactly beside the codes: at most ceil(fraction * tokens * headDim) per tile; 0 for
  // none.
  double outliers{};
  // Which values these are; left out: those farthest from their group's mean, in units of its mean
  // deviation. Only with `outliers` above 0.
  std::optional<OutlierRule> outlier_rule{};
  // Two-sided variance normalization of every tile; left out: none.
  std::optional<Balance> balance{};
};
constexpr std::array<const char*, 2> NamesOf(PackedFormat::Metadata) { return {"f16", "f32"}; }
constexpr std::array<const char*, 1> NamesOf(PackedFormat::LevelsName) { return {"uniform"}; }
template <class Visit>
void Fields(Visit& visit, PackedFormat& it) {
  visit("bits", it.bits);
  visit("scalePer", it.scale_per);
  visit("group", it.group);
  visit("metadata", it.metadata);
  visit("zero", it.zero);
  visit("levels", it.levels);
  visit("solver", it.solver);
  visit("outliers", it.outliers);
  visit("outlierRule", it.outlier_rule);
  visit("balance", it.balance);
}

// How K or V of one layer is stored in one segment. The native kernels understand exactly these
// fields.
using TensorFormat = std::variant<ExactFormat, PackedFormat>;

}  // namespace qpkv::plan
