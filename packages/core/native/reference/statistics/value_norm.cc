// Reference value-norm.
#include "ops/statistics/value_norm.h"

#include "reference/statistics/vectors.h"

namespace qpkv {
namespace reference {
namespace value_norm {
namespace {

void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  for (int head = 0; head < args.shape.kv_heads; ++head)
    for (int t = 0; t < args.shape.tokens; ++t) {
      const std::vector<double> value = RowOf(args, args.v, head, t);
      double sizes = 0;
      for (double x : value) sizes += std::fabs(x);
      args.out[static_cast<size_t>(head) * args.shape.tokens + t] = static_cast<float>(
          args.options.get()[statistics::value_norm::kNorm] == 1 ? sizes : Norm(value));
    }
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::value_norm::kAbout, nullptr, nullptr, Run};

}  // namespace value_norm
}  // namespace reference
}  // namespace qpkv
