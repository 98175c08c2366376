// value-norm: Norm of a value.
#include "kernels/statistics/rows.h"
#include "ops/statistics/value_norm.h"

namespace qpkv {
namespace cuda {
namespace value_norm {
namespace {

__global__ void Kernel(StatisticShape shape, const float* v, int capacity, bool sizes, float* out) {
  const int token = OwnToken(), head = static_cast<int>(blockIdx.y);
  if (token >= shape.tokens) return;
  const float* row = RowOf(v, capacity, shape.dim, head, token);
  float sum = 0;
  for (int i = 0; i < shape.dim; ++i) sum = sizes ? sum + fabsf(row[i]) : fmaf(row[i], row[i], sum);
  out[static_cast<size_t>(head) * shape.tokens + token] = sizes ? sum : sqrtf(sum);
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  QPKV_LAUNCH(On(stream).queue, Kernel, TokenGrid(args.shape.tokens, args.shape.kv_heads),
              kRowThreads, 0, args.shape, args.v, args.capacity,
              args.options.get()[statistics::value_norm::kNorm] == 1, args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::value_norm::kAbout, nullptr, nullptr, Run};

}  // namespace value_norm
}  // namespace cuda
}  // namespace qpkv
