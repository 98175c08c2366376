// Written by tools/generate-statistics.ts from packages/spec/src/plan/statistics/position.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// The position of each token, from 0: later ones are worth more.
namespace statistics::position {

constexpr StatisticDescriptor kAbout = {"position", 1, Rows::kKv, 0, nullptr, 0, 0.00002};

}  // namespace statistics::position
}  // namespace qpkv
