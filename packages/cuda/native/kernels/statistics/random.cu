// random: numbers by seed, head and position.
#include "kernels/statistics/rows.h"
#include "ops/random_numbers.h"
#include "ops/statistics/random.h"

namespace qpkv {
namespace cuda {
namespace random {
namespace {

__global__ void Kernel(int tokens, uint64_t seed, float* out) {
  const int token = OwnToken();
  if (token >= tokens) return;
  const uint64_t counter = static_cast<uint64_t>(blockIdx.y) << 32 | static_cast<uint32_t>(token);
  out[static_cast<size_t>(blockIdx.y) * tokens + token] = UniformNumber(seed, counter);
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  QPKV_LAUNCH(On(stream).queue, Kernel, TokenGrid(args.shape.tokens, args.shape.kv_heads),
              kRowThreads, 0, args.shape.tokens,
              static_cast<uint64_t>(args.options.get()[statistics::random::kSeed]), args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::random::kAbout, nullptr, nullptr, Run};

}  // namespace random
}  // namespace cuda
}  // namespace qpkv
