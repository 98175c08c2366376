// Reference key-similarity.
#include "ops/statistics/key_similarity.h"

#include <algorithm>

#include "reference/statistics/vectors.h"

namespace qpkv {
namespace reference {
namespace key_similarity {
namespace {

constexpr double kSmallest = 1e-12;

void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  const int tokens = args.shape.tokens;
  for (int head = 0; head < args.shape.kv_heads; ++head) {
    std::vector<double> mean(static_cast<size_t>(args.shape.dim), 0.0);
    for (int t = 0; t < tokens; ++t) {
      const std::vector<double> key = RowOf(args, args.k, head, t);
      for (size_t i = 0; i < mean.size(); ++i)
        mean[i] += key[i] / std::max(Norm(key), kSmallest) / tokens;
    }
    for (int t = 0; t < tokens; ++t) {
      const std::vector<double> key = RowOf(args, args.k, head, t);
      args.out[static_cast<size_t>(head) * tokens + t] =
          static_cast<float>(Inner(mean, key) / std::max(Norm(key) * Norm(mean), kSmallest));
    }
  }
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::key_similarity::kAbout, nullptr, nullptr, Run};

}  // namespace key_similarity
}  // namespace reference
}  // namespace qpkv
