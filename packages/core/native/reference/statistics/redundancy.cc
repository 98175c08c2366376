// Reference redundancy: the whole matrix of cosines.
#include "ops/statistics/redundancy.h"

#include <algorithm>

#include "reference/dense_ops.h"
#include "reference/statistics/vectors.h"

namespace qpkv {
namespace reference {
namespace redundancy {
namespace {

using namespace statistics::redundancy;

void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  const int tokens = args.shape.tokens;
  const bool first = static_cast<Alone>(args.options.get()[kAlone]) == Alone::kFirst;
  for (int head = 0; head < args.shape.kv_heads; ++head) {
    std::vector<double> means(static_cast<size_t>(tokens), 0.0);
    for (int row = 0; row < tokens; ++row) {
      const std::vector<double> own = RowOf(args, args.k, head, row);
      std::vector<double> cosines;
      int last = first ? 0 : -1;
      for (int t = 0; t < tokens; ++t) {
        const std::vector<double> key = RowOf(args, args.k, head, t);
        const double norms = std::max(Norm(own), 1e-12) * std::max(Norm(key), 1e-12);
        cosines.push_back(t == row ? 0 : Inner(own, key) / norms);
        if (t != row && cosines.back() > args.options.get()[kThreshold]) last = t;
      }
      if (last >= 0) cosines[static_cast<size_t>(last)] = 0;
      for (int t = 0; t < tokens; ++t) means[t] += cosines[t] / tokens;
    }
    double lse = 0;
    const std::vector<double> p = Softmax(means, &lse);
    for (int t = 0; t < tokens; ++t)
      args.out[static_cast<size_t>(head) * tokens + t] = static_cast<float>(p[t]);
  }
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, nullptr, nullptr, Run};

}  // namespace redundancy
}  // namespace reference
}  // namespace qpkv
