// Reference key-norm.
#include "ops/statistics/key_norm.h"

#include "reference/statistics/vectors.h"

namespace qpkv {
namespace reference {
namespace key_norm {
namespace {

void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  for (int head = 0; head < args.shape.kv_heads; ++head)
    for (int t = 0; t < args.shape.tokens; ++t)
      args.out[static_cast<size_t>(head) * args.shape.tokens + t] =
          static_cast<float>(Norm(RowOf(args, args.k, head, t)));
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::key_norm::kAbout, nullptr, nullptr, Run};

}  // namespace key_norm
}  // namespace reference
}  // namespace qpkv
