// expected-attention: the logit that queries of later positions are expected to give a key. Sums of
// the queries before RoPE and of their products, in double, chunk by chunk; at the end mean and
// covariance are rotated by the mean rotation of the later positions.
#include "kernels/statistics/rows.h"
#include "ops/statistics/expected_attention.h"

namespace qpkv {
namespace cuda {
namespace expected_attention {
namespace {

using namespace statistics::expected_attention;

// State: [q_heads, dim] sums, then [q_heads, dim, dim] sums of products.
size_t StateBytes(const StatisticShape& shape, const double*) {
  return sizeof(double) * shape.q_heads * static_cast<size_t>(shape.dim) * (shape.dim + 1);
}

struct Work {
  StatisticShape shape;
  double* sums;
  double* products;
  const float* inv_freq;
  double rope_scale;
  int rotary_dim, sinks, future;
  double* rotations;  // [rotary_dim / 2, 2]: mean cosine and sine
  float* mean;        // [q_heads, dim] rotated
  float* spread;      // [q_heads, dim, dim] rotated covariance

  // The channel that c rotations with, or c.
  QPKV_ON_DEVICE int Partner(int c) const {
    const int half = rotary_dim / 2;
    return c >= rotary_dim ? c : c < half ? c + half : c - half;
  }
  // What channel c and its partner weigh in the rotated channel c.
  QPKV_ON_DEVICE double Own(int c) const {
    return c >= rotary_dim ? 1 : rotations[2 * (c % (rotary_dim / 2))];
  }
  QPKV_ON_DEVICE double Other(int c) const {
    if (c >= rotary_dim) return 0;
    const double sine = rotations[2 * (c % (rotary_dim / 2)) + 1];
    return c < rotary_dim / 2 ? -sine : sine;
  }
};

// Blocks (i, head): a thread per j; j = dim stands for the sum.
__global__ void AddKernel(Work w, const float* q, int first, int rows) {
  const int i = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y),
            dim = w.shape.dim;
  const size_t width = static_cast<size_t>(w.shape.q_heads) * dim;
  for (int j = static_cast<int>(threadIdx.x); j <= dim; j += kRowThreads) {
    double sum = 0;
    for (int row = w.sinks > first ? w.sinks - first : 0; row < rows; ++row) {
      const float* x = q + row * width + static_cast<size_t>(head) * dim;
      sum += j == dim ? x[i] : static_cast<double>(x[i]) * x[j];
    }
    if (j == dim)
      w.sums[head * dim + i] += sum;
    else
      w.products[(static_cast<size_t>(head) * dim + i) * dim + j] += sum;
  }
}

// A block per pair of channels.
__global__ void RotationsKernel(Work w) {
  const int i = static_cast<int>(blockIdx.x);
  double cosines = 0, sines = 0;
  for (int p = static_cast<int>(threadIdx.x); p < w.future; p += kRowThreads) {
    const double angle = static_cast<double>(w.shape.tokens + p) * w.inv_freq[i];
    cosines += cos(angle);
    sines += sin(angle);
  }
  cosines = BlockSum(cosines);
  sines = BlockSum(sines);
  if (threadIdx.x != 0) return;
  w.rotations[2 * i] = cosines * w.rope_scale / w.future;
  w.rotations[2 * i + 1] = sines * w.rope_scale / w.future;
}

// Blocks (i, head): a thread per j.
__global__ void TurnKernel(Work w) {
  const int i = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y),
            dim = w.shape.dim;
  const double count = w.shape.tokens - w.sinks;
  const double* sums = w.sums + head * dim;
  const double* products = w.products + static_cast<size_t>(head) * dim * dim;
  const auto covariance = [&](int a, int b) {
    return products[a * dim + b] / count - sums[a] / count * (sums[b] / count);
  };
  const int other_i = w.Partner(i);
  for (int j = static_cast<int>(threadIdx.x); j < dim; j += kRowThreads) {
    const int other_j = w.Partner(j);
    const double with_own = w.Own(i) * covariance(i, j) + w.Other(i) * covariance(other_i, j);
    const double with_other =
        w.Own(i) * covariance(i, other_j) + w.Other(i) * covariance(other_i, other_j);
    w.spread[(static_cast<size_t>(head) * dim + i) * dim + j] =
        static_cast<float>(with_own * w.Own(j) + with_other * w.Other(j));
  }
  if (threadIdx.x == 0)
    w.mean[head * dim + i] =
        static_cast<float>((w.Own(i) * sums[i] + w.Other(i) * sums[other_i]) / count);
}

// Blocks (token, head).
__global__ void LogitKernel(Work w, const float* k, int capacity, float scale, bool covariance,
                            float* out) {
  const int token = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y),
            dim = w.shape.dim;
  const float* key = RowOf(k, capacity, dim, head / (w.shape.q_heads / w.shape.kv_heads), token);
  float linear = 0, square = 0;
  for (int i = static_cast<int>(threadIdx.x); i < dim; i += kRowThreads) {
    linear = fmaf(key[i], w.mean[head * dim + i], linear);
    const float* row = w.spread + (static_cast<size_t>(head) * dim + i) * dim;
    float x = 0;
    for (int j = 0; covariance && j < dim; ++j) x = fmaf(row[j], key[j], x);
    square = fmaf(key[i], x, square);
  }
  linear = BlockSum(linear);
  square = BlockSum(square);
  if (threadIdx.x == 0)
    out[static_cast<size_t>(head) * w.shape.tokens + token] =
        linear * scale + square * scale * scale / 2;
}

void Run(Stream& stream, const StatisticArgs& args) {
  CudaStream& on = On(stream);
  const double* options = args.options.get();
  const StatisticShape& shape = args.shape;
  const size_t heads = static_cast<size_t>(shape.q_heads), dim = static_cast<size_t>(shape.dim);
  Work w = {shape,
            static_cast<double*>(args.state),
            nullptr,
            args.inv_freq,
            args.rope_scale,
            args.rotary_dim,
            static_cast<int>(options[kSinks]),
            static_cast<int>(options[kFuture]),
            nullptr,
            nullptr,
            nullptr};
  w.products = w.sums + heads * dim;
  const dim3 grid(static_cast<unsigned>(dim), static_cast<unsigned>(heads));
  if (args.stage == StatisticStage::kChunk) {
    QPKV_LAUNCH(on.queue, AddKernel, grid, kRowThreads, 0, w, args.q_before, args.first, args.rows);
    return;
  }
  w.rotations = static_cast<double*>(
      on.Scratch(Slot::kPartial, sizeof(double) * static_cast<size_t>(args.rotary_dim) +
                                     sizeof(float) * heads * dim * (dim + 1)));
  if (w.rotations == nullptr) return;
  w.mean = reinterpret_cast<float*>(w.rotations + args.rotary_dim);
  w.spread = w.mean + heads * dim;
  if (args.rotary_dim > 0)
    QPKV_LAUNCH(on.queue, RotationsKernel, static_cast<unsigned>(args.rotary_dim / 2), kRowThreads,
                0, w);
  QPKV_LAUNCH(on.queue, TurnKernel, grid, kRowThreads, 0, w);
  QPKV_LAUNCH(on.queue, LogitKernel,
              dim3(static_cast<unsigned>(shape.tokens), static_cast<unsigned>(heads)), kRowThreads,
              0, w, args.k, args.capacity, args.scale, options[kCovariance] != 0, args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, nullptr, StateBytes, Run};

}  // namespace expected_attention
}  // namespace cuda
}  // namespace qpkv
