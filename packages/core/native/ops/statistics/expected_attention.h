// Written by tools/generate-statistics.ts from
// packages/spec/src/plan/statistics/expected-attention.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Logit that queries of later positions, distributed as those before RoPE, are expected to give a
// key.
namespace statistics::expected_attention {

enum Slot { kSinks, kFuture, kCovariance };
constexpr OptionDescriptor kOptions[] = {{"sinks", OptionKind::kNumber, nullptr, 0, 4},
                                         {"future", OptionKind::kNumber, nullptr, 0, 512},
                                         {"covariance", OptionKind::kTruth, nullptr, 0, 1}};
constexpr StatisticDescriptor kAbout = {"expected-attention",
                                        1,
                                        Rows::kQuery,
                                        kReadQueriesBefore | kReadKeys | kReadRope,
                                        kOptions,
                                        3,
                                        0.0001};

}  // namespace statistics::expected_attention
}  // namespace qpkv
