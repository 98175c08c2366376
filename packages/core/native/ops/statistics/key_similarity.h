// Written by tools/generate-statistics.ts from packages/spec/src/plan/statistics/key-similarity.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Cosine of a key (after RoPE) with the mean of its head's normalized keys.
namespace statistics::key_similarity {

constexpr StatisticDescriptor kAbout = {"key-similarity", 1, Rows::kKv, kReadKeys,
                                        nullptr,          0, 0.00002};

}  // namespace statistics::key_similarity
}  // namespace qpkv
