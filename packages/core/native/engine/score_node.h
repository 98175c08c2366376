// A score as data: the C++ side of packages/spec/src/plan/score.ts. Options are settled rows of
// numbers.
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

// A stage of a selection, see SelectArgs.
struct ScoreStage {
  std::shared_ptr<const ScoreNode> score;
  double share = 1;
  bool of_kept = false;  // of all kept tokens: protected ones fill it first
};

}  // namespace qpkv
