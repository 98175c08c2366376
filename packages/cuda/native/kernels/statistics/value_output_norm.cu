// value-output-norm: norm of a value after its query head's part of the output projection.
#include "kernels/statistics/rows.h"
#include "kernels/weights.h"
#include "ops/statistics/value_output_norm.h"

namespace qpkv {
namespace cuda {
namespace value_output_norm {
namespace {

constexpr int kTokens = 8;  // of a block, which share a read of the weights

// Blocks (tokens, query head): a thread per output.
__global__ void Kernel(StatisticShape shape, const float* v, int capacity, PackedWeight w,
                       bool sizes, float* out) {
  const int head = static_cast<int>(blockIdx.y), first = static_cast<int>(blockIdx.x) * kTokens;
  const int kv_head = head / (shape.q_heads / shape.kv_heads);
  float sums[kTokens];
  for (int j = 0; j < kTokens; ++j) sums[j] = 0;
  for (int n = static_cast<int>(threadIdx.x); n < w.n; n += kRowThreads) {
    float x[kTokens];
    for (int j = 0; j < kTokens; ++j) x[j] = 0;
    for (int i = 0; i < shape.dim; ++i) {
      const float weight = WeightAt(w, n, head * shape.dim + i);
      for (int j = 0; j < kTokens; ++j)
        if (first + j < shape.tokens)
          x[j] = fmaf(RowOf(v, capacity, shape.dim, kv_head, first + j)[i], weight, x[j]);
    }
    for (int j = 0; j < kTokens; ++j)
      sums[j] = sizes ? sums[j] + fabsf(x[j]) : fmaf(x[j], x[j], sums[j]);
  }
  for (int j = 0; j < kTokens; ++j) {
    const float sum = BlockSum(sums[j]);
    if (threadIdx.x == 0 && first + j < shape.tokens)
      out[static_cast<size_t>(head) * shape.tokens + first + j] = sizes ? sum : sqrtf(sum);
  }
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  QPKV_LAUNCH(
      On(stream).queue, Kernel,
      dim3(BlocksFor(args.shape.tokens, kTokens), static_cast<unsigned>(args.shape.q_heads)),
      kRowThreads, 0, args.shape, args.v, args.capacity, args.output,
      args.options.get()[statistics::value_output_norm::kNorm] == 1, args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::value_output_norm::kAbout, nullptr, nullptr, Run};

}  // namespace value_output_norm
}  // namespace cuda
}  // namespace qpkv
