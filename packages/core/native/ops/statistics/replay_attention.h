// Written by tools/generate-statistics.ts from
// packages/spec/src/plan/statistics/replay-attention.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Largest attention probability that a key receives while the model repeats its part of the prompt,
// among the first tokens, this part and the repetition; 0 for tokens that are not repeated.
namespace statistics::replay_attention {

enum Slot { kSinks, kOver };
enum class Over { kNothing, kInputNorm };
constexpr const char* kOverNames[] = {"nothing", "input-norm"};
constexpr OptionDescriptor kOptions[] = {{"sinks", OptionKind::kNumber, nullptr, 0, 4},
                                         {"over", OptionKind::kChoice, kOverNames, 2, 0}};
constexpr StatisticDescriptor kAbout = {
    "replay-attention", 1, Rows::kQuery, kReadKeys | kReadReplay, kOptions, 2, 0.00002};

}  // namespace statistics::replay_attention
}  // namespace qpkv
