// Written by tools/generate-statistics.ts from packages/spec/src/plan/statistics/leverage.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Leverage of a key before RoPE among the centred keys of its head: x (X^T X + ridge I)^-1 x^T; 0
// for tokens left out.
namespace statistics::leverage {

enum Slot { kSketch, kSeed, kRidge, kFirst, kLast };
constexpr OptionDescriptor kOptions[] = {{"sketch", OptionKind::kNumber, nullptr, 0, 0},
                                         {"seed", OptionKind::kNumber, nullptr, 0, 0},
                                         {"ridge", OptionKind::kNumber, nullptr, 0, 0.01},
                                         {"first", OptionKind::kNumber, nullptr, 0, 8},
                                         {"last", OptionKind::kNumber, nullptr, 0, 4}};
constexpr StatisticDescriptor kAbout = {"leverage", 1, Rows::kKv, kReadKeysBefore,
                                        kOptions,   5, 0.0002};

}  // namespace statistics::leverage
}  // namespace qpkv
