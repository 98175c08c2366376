// Reference partition-spread.
#include "ops/statistics/partition_spread.h"

#include <algorithm>

#include "reference/dense_ops.h"
#include "reference/statistics/vectors.h"

namespace qpkv {
namespace reference {
namespace partition_spread {
namespace {

using namespace statistics::partition_spread;

double Deviation(const std::vector<double>& x) {
  double mean = 0, squares = 0;
  for (double v : x) mean += v / static_cast<double>(x.size());
  for (double v : x) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / static_cast<double>(x.size() - 1));
}

void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  const double* options = args.options.get();
  const int tokens = args.shape.tokens, sinks = static_cast<int>(options[kSinks]),
            lag = static_cast<int>(options[kLag]);
  const float* rows = static_cast<Of>(options[kOf]) == Of::kKeys ? args.k : args.v;
  for (int head = 0; head < args.shape.kv_heads; ++head) {
    std::vector<double> scores(static_cast<size_t>(tokens), 1.0);
    for (int begin = sinks; begin + 2 * lag <= tokens; begin += lag) {
      std::vector<double> spreads;
      for (int t = begin; t < begin + lag; ++t) {
        std::vector<double> scaled = RowOf(args, rows, head, t);
        for (size_t i = 0; i < scaled.size(); ++i) {
          double low = INFINITY, high = -INFINITY;
          for (int other = begin + lag; other < begin + 2 * lag; ++other) {
            const double y = RowOf(args, rows, head, other)[i];
            low = std::min(low, y);
            high = std::max(high, y);
          }
          scaled[i] = high > low ? (scaled[i] - low) / (high - low) : 0;
        }
        spreads.push_back(Deviation(scaled));
      }
      double lse = 0;
      const std::vector<double> p = Softmax(spreads, &lse);
      std::copy(p.begin(), p.end(), scores.begin() + begin);
    }
    for (int t = 0; t < tokens; ++t)
      args.out[static_cast<size_t>(head) * tokens + t] = static_cast<float>(scores[t]);
  }
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, nullptr, nullptr, Run};

}  // namespace partition_spread
}  // namespace reference
}  // namespace qpkv
