// random: uniform numbers by seed, head and position.
#pragma once
#include "ops/random_numbers.h"
#include "ops/statistics/random.h"

namespace qpkv {
namespace {
namespace random {

void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  const auto seed = static_cast<uint64_t>(args.options.get()[statistics::random::kSeed]);
  const int tokens = args.shape.tokens;
  for (int head = 0; head < args.shape.kv_heads; ++head)
    for (int t = 0; t < tokens; ++t) {
      const auto counter = static_cast<uint64_t>(head) << 32 | static_cast<uint32_t>(t);
      args.out[static_cast<size_t>(head) * tokens + t] = UniformNumber(seed, counter);
    }
}

constexpr Statistic kStatistic = {&statistics::random::kAbout, nullptr, nullptr, Run};

}  // namespace random
}  // namespace
}  // namespace qpkv
