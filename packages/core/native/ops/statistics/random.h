// Written by tools/generate-statistics.ts from packages/spec/src/plan/statistics/random.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Uniform numbers from 0 to 1 by seed, head and position, the same on every backend.
namespace statistics::random {

enum Slot { kSeed };
constexpr OptionDescriptor kOptions[] = {{"seed", OptionKind::kNumber, nullptr, 0, 0}};
constexpr StatisticDescriptor kAbout = {"random", 1, Rows::kKv, 0, kOptions, 1, 0.00002};

}  // namespace statistics::random
}  // namespace qpkv
