// Written by tools/generate-statistics.ts from
// packages/spec/src/plan/statistics/partition-spread.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Spread over the channels of a token scaled by each channel's range in the next partition, as
// softmax within its own; 1 for sinks and for tokens without a next partition.
namespace statistics::partition_spread {

enum Slot { kOf, kSinks, kLag };
enum class Of { kKeys, kValues };
constexpr const char* kOfNames[] = {"keys", "values"};
constexpr OptionDescriptor kOptions[] = {{"of", OptionKind::kChoice, kOfNames, 2, 0},
                                         {"sinks", OptionKind::kNumber, nullptr, 0, 4},
                                         {"lag", OptionKind::kNumber, nullptr, 0, 128}};
constexpr StatisticDescriptor kAbout = {"partition-spread", 1, Rows::kKv, kReadKeys | kReadValues,
                                        kOptions,           3, 0.00002};

}  // namespace statistics::partition_spread
}  // namespace qpkv
