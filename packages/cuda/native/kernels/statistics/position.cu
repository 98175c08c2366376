// position: later tokens are worth more.
#include "kernels/statistics/rows.h"
#include "ops/statistics/position.h"

namespace qpkv {
namespace cuda {
namespace position {
namespace {

__global__ void Kernel(int tokens, float* out) {
  const int token = OwnToken();
  if (token < tokens)
    out[static_cast<size_t>(blockIdx.y) * tokens + token] = static_cast<float>(token);
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  QPKV_LAUNCH(On(stream).queue, Kernel, TokenGrid(args.shape.tokens, args.shape.kv_heads),
              kRowThreads, 0, args.shape.tokens, args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::position::kAbout, nullptr, nullptr, Run};

}  // namespace position
}  // namespace cuda
}  // namespace qpkv
