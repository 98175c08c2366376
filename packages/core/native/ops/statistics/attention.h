// Written by tools/generate-statistics.ts from packages/spec/src/plan/statistics/attention.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Attention probability that a key receives, reduced over the observing queries; one that does not
// see it gives 0.
namespace statistics::attention {

enum Slot { kQueriesLast, kQueriesBeforeUserEnd, kMask, kReduce };
enum class Mask { kCausal, kWindowBlock };
enum class Reduce { kSum, kMean, kMax, kVariance, kEntropy };
constexpr const char* kMaskNames[] = {"causal", "window-block"};
constexpr const char* kReduceNames[] = {"sum", "mean", "max", "variance", "entropy"};
constexpr OptionDescriptor kOptions[] = {{"queries", OptionKind::kQueries, nullptr, 0, 0},
                                         {"mask", OptionKind::kChoice, kMaskNames, 2, 0},
                                         {"reduce", OptionKind::kChoice, kReduceNames, 5, 0}};
constexpr StatisticDescriptor kAbout = {"attention", 1, Rows::kQuery, kReadQueries | kReadKeys,
                                        kOptions,    3, 0.00002};

}  // namespace statistics::attention
}  // namespace qpkv
