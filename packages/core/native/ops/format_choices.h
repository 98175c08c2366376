// Written by tools/generate-plan.ts from packages/spec/src/plan/tensor-format.ts.
#pragma once
#include <array>
#include <cstdint>

namespace qpkv {

// NamesOf(a value of an enumeration): what its values are called in plans, in order.

// A floating-point storage type. `f32` is used by the float32 mode only.
enum class Element : uint8_t { kBf16, kF16, kF32 };
constexpr std::array<const char*, 3> NamesOf(Element) { return {"bf16", "f16", "f32"}; }

// What shares a scale: `channel`: a channel over `group` tokens; `token`: a token over `group`
// channels.
enum class ScalePer : uint8_t { kChannel, kToken };
constexpr std::array<const char*, 2> NamesOf(ScalePer) { return {"channel", "token"}; }

// How the offset is stored: a float minimum; an integer zero point `z` in a byte with `value =
// (code - z) * scale`; the same in the low four bits of a float32 scale, for up to 4 bits, rounded
// half away from zero (its range need not hold 0: values beyond are clamped); or none, where the
// solver scales by norms.
enum class ZeroPoint : uint8_t { kFloatMinimum, kInteger, kInScale, kNone };
constexpr std::array<const char*, 4> NamesOf(ZeroPoint) {
  return {"float-minimum", "integer", "in-scale", "none"};
}

}  // namespace qpkv
