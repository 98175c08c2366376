// position: where a token stands.
#pragma once
#include "ops/statistics/position.h"

namespace qpkv {
namespace {
namespace position {

void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  const int tokens = args.shape.tokens;
  for (int head = 0; head < args.shape.kv_heads; ++head)
    for (int t = 0; t < tokens; ++t)
      args.out[static_cast<size_t>(head) * tokens + t] = static_cast<float>(t);
}

constexpr Statistic kStatistic = {&statistics::position::kAbout, nullptr, nullptr, Run};

}  // namespace position
}  // namespace
}  // namespace qpkv
