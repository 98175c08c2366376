// Written by tools/generate-statistics.ts from packages/spec/src/plan/statistics/key-norm.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Euclidean norm of a key.
namespace statistics::key_norm {

constexpr StatisticDescriptor kAbout = {"key-norm", 1, Rows::kKv, kReadKeys, nullptr, 0, 0.00002};

}  // namespace statistics::key_norm
}  // namespace qpkv
