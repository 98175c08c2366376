// partition-spread: a token's spread over channels that are scaled by their range in the next
// partition, as softmax within its own. A block per partition and KV head.
#include "kernels/statistics/rows.h"
#include "ops/statistics/partition_spread.h"

namespace qpkv {
namespace cuda {
namespace partition_spread {
namespace {

using namespace statistics::partition_spread;

// spreads: [kv_heads, tokens]. Blocks (partition or what stays 1, head).
__global__ void Kernel(StatisticShape shape, const float* rows, int capacity, int sinks, int lag,
                       float* out) {
  QPKV_SHARED(float, low, [256]);
  QPKV_SHARED(float, range, [256]);
  const int head = static_cast<int>(blockIdx.y), me = static_cast<int>(threadIdx.x);
  const int begin = sinks + static_cast<int>(blockIdx.x) * lag, next = begin + lag;
  float* scores = out + static_cast<size_t>(head) * shape.tokens;
  for (int c = me; c < shape.dim; c += kRowThreads) {
    float least = Infinity(), most = -Infinity();
    for (int t = next; t < next + lag; ++t) {
      const float x = RowOf(rows, capacity, shape.dim, head, t)[c];
      least = fminf(least, x);
      most = fmaxf(most, x);
    }
    low[c] = least;
    range[c] = most - least;
  }
  __syncthreads();
  float largest = -Infinity();
  for (int t = begin + me; t < next; t += kRowThreads) {
    const float* row = RowOf(rows, capacity, shape.dim, head, t);
    const auto scaled = [&](int c) { return range[c] > 0 ? (row[c] - low[c]) / range[c] : 0.0f; };
    float mean = 0, squares = 0;
    for (int c = 0; c < shape.dim; ++c) mean += scaled(c);
    mean /= static_cast<float>(shape.dim);
    for (int c = 0; c < shape.dim; ++c) squares += (scaled(c) - mean) * (scaled(c) - mean);
    scores[t] = sqrtf(squares / static_cast<float>(shape.dim - 1));
    largest = fmaxf(largest, scores[t]);
  }
  largest = BlockMax(largest);
  float sum = 0;
  for (int t = begin + me; t < next; t += kRowThreads) sum += expf(scores[t] - largest);
  sum = BlockSum(sum);
  for (int t = begin + me; t < next; t += kRowThreads) scores[t] = expf(scores[t] - largest) / sum;
}

__global__ void OnesKernel(int tokens, float* out) {
  const int token = OwnToken();
  if (token < tokens) out[static_cast<size_t>(blockIdx.y) * tokens + token] = 1;
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  CudaStream& on = On(stream);
  const double* options = args.options.get();
  const int sinks = static_cast<int>(options[kSinks]), lag = static_cast<int>(options[kLag]);
  const int partitions = (args.shape.tokens - sinks) / lag - 1;
  QPKV_LAUNCH(on.queue, OnesKernel, TokenGrid(args.shape.tokens, args.shape.kv_heads), kRowThreads,
              0, args.shape.tokens, args.out);
  if (partitions > 0)
    QPKV_LAUNCH(on.queue, Kernel,
                dim3(static_cast<unsigned>(partitions), static_cast<unsigned>(args.shape.kv_heads)),
                kRowThreads, 0, args.shape,
                options[kOf] == static_cast<double>(Of::kKeys) ? args.k : args.v, args.capacity,
                sinks, lag, args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, nullptr, nullptr, Run};

}  // namespace partition_spread
}  // namespace cuda
}  // namespace qpkv
