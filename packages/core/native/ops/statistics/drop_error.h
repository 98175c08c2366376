// Written by tools/generate-statistics.ts from packages/spec/src/plan/statistics/drop-error.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Squared change of the attention outputs of the observing queries if the token alone were dropped,
// summed; a probability counts as at most 0.999.
namespace statistics::drop_error {

enum Slot { kQueriesLast, kQueriesBeforeUserEnd };
constexpr OptionDescriptor kOptions[] = {{"queries", OptionKind::kQueries, nullptr, 0, 0}};
constexpr StatisticDescriptor kAbout = {
    "drop-error", 1, Rows::kQuery, kReadQueries | kReadKeys | kReadValues | kReadOutputs,
    kOptions,     1, 0.0005};

}  // namespace statistics::drop_error
}  // namespace qpkv
