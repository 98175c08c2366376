// Reference drop-error: the output is computed with and without each token.
#include "ops/statistics/drop_error.h"

#include "ops/observing_queries.h"
#include "reference/statistics/naive_attention.h"
#include "reference/statistics/vectors.h"

namespace qpkv {
namespace reference {
namespace drop_error {
namespace {

using namespace statistics::drop_error;

double Resolve(const StatisticFacts& facts, const double* given, double* resolved) {
  const ObservingQueries queries =
      ResolveQueries(facts, given[kQueriesLast], given[kQueriesBeforeUserEnd]);
  resolved[0] = queries.begin;
  resolved[1] = queries.end;
  return 1;
}

void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kChunk) return;
  const StatisticShape& shape = args.shape;
  const size_t width = static_cast<size_t>(shape.q_heads) * shape.dim;
  for (int head = 0; head < shape.q_heads; ++head)
    for (int row = 0; row < args.rows; ++row) {
      const int position = args.first + row;
      if (position < args.options.get()[0] || position >= args.options.get()[1]) continue;
      const size_t at = static_cast<size_t>(head) * shape.dim;
      const std::vector<double> p = Probabilities(
          args, args.q + static_cast<size_t>(row) * args.q_stride + at, head, position);
      const float* output = args.outputs + row * width + at;
      for (int t = 0; t <= position; ++t) {
        const std::vector<double> value =
            RowOf(args, args.v, head / (shape.q_heads / shape.kv_heads), t);
        const double seen = std::min(p[t], 0.999), odds = seen / (1 - seen);
        double loss = 0;
        for (int i = 0; i < shape.dim; ++i) {
          const double moved = odds * (output[i] - value[i]);
          loss += moved * moved;
        }
        args.out[static_cast<size_t>(head) * shape.tokens + t] += static_cast<float>(loss);
      }
    }
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, Resolve, nullptr, Run};

}  // namespace drop_error
}  // namespace reference
}  // namespace qpkv
