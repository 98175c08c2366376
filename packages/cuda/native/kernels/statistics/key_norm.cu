// key-norm: Euclidean norm of a key.
#include "kernels/statistics/rows.h"
#include "ops/statistics/key_norm.h"

namespace qpkv {
namespace cuda {
namespace key_norm {
namespace {

__global__ void Kernel(StatisticShape shape, const float* k, int capacity, float* out) {
  const int token = OwnToken(), head = static_cast<int>(blockIdx.y);
  if (token < shape.tokens)
    out[static_cast<size_t>(head) * shape.tokens + token] =
        sqrtf(SquaresOf(RowOf(k, capacity, shape.dim, head, token), shape.dim));
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  QPKV_LAUNCH(On(stream).queue, Kernel, TokenGrid(args.shape.tokens, args.shape.kv_heads),
              kRowThreads, 0, args.shape, args.k, args.capacity, args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::key_norm::kAbout, nullptr, nullptr, Run};

}  // namespace key_norm
}  // namespace cuda
}  // namespace qpkv
