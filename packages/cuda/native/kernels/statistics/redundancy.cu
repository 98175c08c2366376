// redundancy: the mean cosine of a key with the others of its head, softmax over the tokens; of a
// key's near-duplicates, the last does not count. Quadratic in the tokens: a thread per key, twice.
#include "kernels/statistics/rows.h"
#include "ops/statistics/redundancy.h"

namespace qpkv {
namespace cuda {
namespace redundancy {
namespace {

using namespace statistics::redundancy;

struct Keys {
  StatisticShape shape;
  const float* k;
  int capacity;
  const float* norms;  // [kv_heads, tokens]

  QPKV_ON_DEVICE float Cosine(int head, int a, int b) const {
    const float* x = RowOf(k, capacity, shape.dim, head, a);
    const float* y = RowOf(k, capacity, shape.dim, head, b);
    float dot = 0;
    for (int i = 0; i < shape.dim; ++i) dot = fmaf(x[i], y[i], dot);
    const float* own = norms + static_cast<size_t>(head) * shape.tokens;
    return dot / (own[a] * own[b]);
  }
};

__global__ void NormKernel(Keys keys, float* norms) {
  const int token = OwnToken(), head = static_cast<int>(blockIdx.y);
  if (token < keys.shape.tokens)
    norms[static_cast<size_t>(head) * keys.shape.tokens + token] =
        fmaxf(1e-12f, sqrtf(SquaresOf(RowOf(keys.k, keys.capacity, keys.shape.dim, head, token),
                                      keys.shape.dim)));
}

// last: [kv_heads, tokens] the last other key beyond the threshold.
__global__ void LastKernel(Keys keys, float threshold, int none, int32_t* last) {
  const int row = OwnToken(), head = static_cast<int>(blockIdx.y);
  if (row >= keys.shape.tokens) return;
  int found = none;
  for (int t = keys.shape.tokens - 1; t >= 0; --t)
    if (t != row && keys.Cosine(head, row, t) > threshold) {
      found = t;
      break;
    }
  last[static_cast<size_t>(head) * keys.shape.tokens + row] = found;
}

__global__ void MeanKernel(Keys keys, const int32_t* last, float* out) {
  const int token = OwnToken(), head = static_cast<int>(blockIdx.y), tokens = keys.shape.tokens;
  if (token >= tokens) return;
  float sum = 0;
  for (int row = 0; row < tokens; ++row)
    if (row != token && last[static_cast<size_t>(head) * tokens + row] != token)
      sum += keys.Cosine(head, row, token);
  out[static_cast<size_t>(head) * tokens + token] = sum / static_cast<float>(tokens);
}

// A block per head.
__global__ void SoftmaxKernel(int tokens, float* out) {
  float* x = out + static_cast<size_t>(blockIdx.x) * tokens;
  float most = -Infinity(), sum = 0;
  for (int t = static_cast<int>(threadIdx.x); t < tokens; t += kRowThreads)
    most = fmaxf(most, x[t]);
  most = BlockMax(most);
  for (int t = static_cast<int>(threadIdx.x); t < tokens; t += kRowThreads)
    sum += expf(x[t] - most);
  sum = BlockSum(sum);
  for (int t = static_cast<int>(threadIdx.x); t < tokens; t += kRowThreads)
    x[t] = expf(x[t] - most) / sum;
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  CudaStream& on = On(stream);
  const StatisticShape& shape = args.shape;
  const size_t cells = static_cast<size_t>(shape.kv_heads) * shape.tokens;
  float* norms =
      static_cast<float*>(on.Scratch(Slot::kSums, cells * (sizeof(float) + sizeof(int32_t))));
  if (norms == nullptr) return;
  int32_t* last = reinterpret_cast<int32_t*>(norms + cells);
  const Keys keys = {shape, args.k, args.capacity, norms};
  const dim3 grid = TokenGrid(shape.tokens, shape.kv_heads);
  const bool first = args.options.get()[kAlone] == static_cast<double>(Alone::kFirst);
  QPKV_LAUNCH(on.queue, NormKernel, grid, kRowThreads, 0, keys, norms);
  QPKV_LAUNCH(on.queue, LastKernel, grid, kRowThreads, 0, keys,
              static_cast<float>(args.options.get()[kThreshold]), first ? 0 : -1, last);
  QPKV_LAUNCH(on.queue, MeanKernel, grid, kRowThreads, 0, keys, last, args.out);
  QPKV_LAUNCH(on.queue, SoftmaxKernel, shape.kv_heads, kRowThreads, 0, shape.tokens, args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, nullptr, nullptr, Run};

}  // namespace redundancy
}  // namespace cuda
}  // namespace qpkv
