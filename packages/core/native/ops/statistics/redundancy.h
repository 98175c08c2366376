// Written by tools/generate-statistics.ts from packages/spec/src/plan/statistics/redundancy.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Mean cosine of a key with the others of its head, softmax over the tokens; of near-duplicates of
// a key, the last does not count. Quadratic in the tokens.
namespace statistics::redundancy {

enum Slot { kThreshold, kAlone };
enum class Alone { kNothing, kFirst };
constexpr const char* kAloneNames[] = {"nothing", "first"};
constexpr OptionDescriptor kOptions[] = {{"threshold", OptionKind::kNumber, nullptr, 0, 0.5},
                                         {"alone", OptionKind::kChoice, kAloneNames, 2, 0}};
constexpr StatisticDescriptor kAbout = {"redundancy", 1, Rows::kKv, kReadKeys,
                                        kOptions,     2, 0.00002};

}  // namespace statistics::redundancy
}  // namespace qpkv
