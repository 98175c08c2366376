// A score as data, see packages/spec/src/plan/score.ts. Options are rows of numbers by the
// descriptors of statistics and operations.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "ops/score_operations.h"
#include "ops/statistic.h"

namespace qpkv {

struct ScoreNode {
  const Statistic* statistic = nullptr;  // of the engine's backend; null: an operation
  ScoreOp op = ScoreOp::kGroup;
  std::vector<std::shared_ptr<const ScoreNode>> of;
  std::array<double, kMaxOptions> options{};
};

// Whether running scores add later queries summed over the query heads, as the outermost group
// says; else by their mean.
inline bool SumsQueryHeads(const ScoreNode& score) {
  if (score.statistic != nullptr) return false;
  if (score.op == ScoreOp::kGroup)
    return score.options[score_ops::group::kBy] == static_cast<double>(score_ops::group::By::kSum);
  return SumsQueryHeads(*score.of.front());
}

}  // namespace qpkv
