// key-similarity: cosine of a key with the mean of its head's normalized keys.
#include "kernels/statistics/rows.h"
#include "ops/statistics/key_similarity.h"

namespace qpkv {
namespace cuda {
namespace key_similarity {
namespace {

constexpr float kSmallest = 1e-12f;

// norms: [kv_heads, tokens].
__global__ void NormKernel(StatisticShape shape, const float* k, int capacity, float* norms) {
  const int token = OwnToken(), head = static_cast<int>(blockIdx.y);
  if (token < shape.tokens)
    norms[static_cast<size_t>(head) * shape.tokens + token] =
        sqrtf(SquaresOf(RowOf(k, capacity, shape.dim, head, token), shape.dim));
}

// means: [kv_heads, dim]. Blocks (channel, head).
__global__ void MeanKernel(StatisticShape shape, const float* k, int capacity, const float* norms,
                           float* means) {
  const int c = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
  double sum = 0;
  for (int t = static_cast<int>(threadIdx.x); t < shape.tokens; t += kRowThreads)
    sum += RowOf(k, capacity, shape.dim, head, t)[c] /
           fmaxf(norms[static_cast<size_t>(head) * shape.tokens + t], kSmallest);
  sum = BlockSum(sum);
  if (threadIdx.x == 0) means[head * shape.dim + c] = static_cast<float>(sum / shape.tokens);
}

__global__ void CosineKernel(StatisticShape shape, const float* k, int capacity, const float* norms,
                             const float* means, float* out) {
  const int token = OwnToken(), head = static_cast<int>(blockIdx.y);
  if (token >= shape.tokens) return;
  const float* key = RowOf(k, capacity, shape.dim, head, token);
  const float* mean = means + head * shape.dim;
  float dot = 0;
  for (int i = 0; i < shape.dim; ++i) dot = fmaf(key[i], mean[i], dot);
  const size_t at = static_cast<size_t>(head) * shape.tokens + token;
  out[at] = dot / fmaxf(norms[at] * sqrtf(SquaresOf(mean, shape.dim)), kSmallest);
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  CudaStream& on = On(stream);
  const StatisticShape& shape = args.shape;
  const size_t cells = static_cast<size_t>(shape.kv_heads) * shape.tokens;
  float* norms = static_cast<float*>(on.Scratch(
      Slot::kSums, sizeof(float) * (cells + static_cast<size_t>(shape.kv_heads) * shape.dim)));
  if (norms == nullptr) return;
  float* means = norms + cells;
  const dim3 grid = TokenGrid(shape.tokens, shape.kv_heads);
  QPKV_LAUNCH(on.queue, NormKernel, grid, kRowThreads, 0, shape, args.k, args.capacity, norms);
  QPKV_LAUNCH(on.queue, MeanKernel,
              dim3(static_cast<unsigned>(shape.dim), static_cast<unsigned>(shape.kv_heads)),
              kRowThreads, 0, shape, args.k, args.capacity, norms, means);
  QPKV_LAUNCH(on.queue, CosineKernel, grid, kRowThreads, 0, shape, args.k, args.capacity, norms,
              means, args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::key_similarity::kAbout, nullptr, nullptr, Run};

}  // namespace key_similarity
}  // namespace cuda
}  // namespace qpkv
