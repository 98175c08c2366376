// Written by tools/generate-statistics.ts from
// packages/spec/src/plan/statistics/value-output-norm.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Norm of a value after its query head's part of the output projection: what one unit of attention
// adds to the hidden state.
namespace statistics::value_output_norm {

enum Slot { kNorm };
constexpr OptionDescriptor kOptions[] = {{"norm", OptionKind::kNumber, nullptr, 0, 2}};
constexpr StatisticDescriptor kAbout = {
    "value-output-norm", 1, Rows::kQuery, kReadValues | kReadOutputWeight, kOptions, 1, 0.00002};

}  // namespace statistics::value_output_norm
}  // namespace qpkv
