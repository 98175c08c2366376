// Reference value-output-norm.
#include "ops/statistics/value_output_norm.h"

#include "reference/statistics/vectors.h"
#include "reference/weights.h"

namespace qpkv {
namespace reference {
namespace value_output_norm {
namespace {

void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  const StatisticShape& shape = args.shape;
  const int group = shape.q_heads / shape.kv_heads;
  for (int head = 0; head < shape.q_heads; ++head)
    for (int t = 0; t < shape.tokens; ++t) {
      const std::vector<double> value = RowOf(args, args.v, head / group, t);
      double sizes = 0, squares = 0;
      for (int n = 0; n < args.output.n; ++n) {
        double x = 0;
        for (int i = 0; i < shape.dim; ++i)
          x += value[i] * WeightAt(args.output, n, head * shape.dim + i);
        sizes += std::fabs(x);
        squares += x * x;
      }
      args.out[static_cast<size_t>(head) * shape.tokens + t] = static_cast<float>(
          args.options.get()[statistics::value_output_norm::kNorm] == 1 ? sizes
                                                                        : std::sqrt(squares));
    }
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::value_output_norm::kAbout, nullptr, nullptr, Run};

}  // namespace value_output_norm
}  // namespace reference
}  // namespace qpkv
