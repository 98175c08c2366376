// Reference position.
#include "ops/statistics/position.h"

namespace qpkv {
namespace reference {
namespace position {
namespace {

void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  const int tokens = args.shape.tokens;
  for (int head = 0; head < args.shape.kv_heads; ++head)
    for (int t = 0; t < tokens; ++t)
      args.out[static_cast<size_t>(head) * tokens + t] = static_cast<float>(t);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::position::kAbout, nullptr, nullptr, Run};

}  // namespace position
}  // namespace reference
}  // namespace qpkv
