// Written by tools/generate-statistics.ts from
// packages/spec/src/plan/statistics/joined-attention.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Mean attention of the last queries over the tokens before them, where the logits of a KV head's
// query heads are joined first; 0 for the observing tokens and those behind them.
namespace statistics::joined_attention {

enum Slot { kQueriesLast, kQueriesBeforeUserEnd, kJoin };
enum class Join { kMax, kMean };
constexpr const char* kJoinNames[] = {"max", "mean"};
constexpr OptionDescriptor kOptions[] = {{"queries", OptionKind::kQueries, nullptr, 0, 0},
                                         {"join", OptionKind::kChoice, kJoinNames, 2, 0}};
constexpr StatisticDescriptor kAbout = {"joined-attention", 1, Rows::kKv, kReadQueries | kReadKeys,
                                        kOptions,           2, 0.00002};

}  // namespace statistics::joined_attention
}  // namespace qpkv
