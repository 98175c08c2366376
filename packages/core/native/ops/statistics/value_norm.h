// Written by tools/generate-statistics.ts from packages/spec/src/plan/statistics/value-norm.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Norm of a value.
namespace statistics::value_norm {

enum Slot { kNorm };
constexpr OptionDescriptor kOptions[] = {{"norm", OptionKind::kNumber, nullptr, 0, 2}};
constexpr StatisticDescriptor kAbout = {"value-norm", 1, Rows::kKv, kReadValues,
                                        kOptions,     1, 0.00002};

}  // namespace statistics::value_norm
}  // namespace qpkv
