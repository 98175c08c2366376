// leverage: x (X^T X + ridge I)^-1 x^T of a key before RoPE among the centred keys of its head, or
// of their random projections. In double: sums, a Cholesky factor, its inverse; then a token's
// leverage is the squared size of the inverse factor times x.
#include "kernels/statistics/rows.h"
#include "ops/random_numbers.h"
#include "ops/statistics/leverage.h"

namespace qpkv {
namespace cuda {
namespace leverage {
namespace {

using namespace statistics::leverage;

struct Work {
  StatisticShape shape;
  const float* k;
  int capacity, first, end;  // tokens that are measured
  int sketch;                // channels of the projection, 0: none
  uint64_t seed;
  double ridge;
  double* x;           // [kv_heads, tokens, width] centred
  double* projection;  // [kv_heads, dim, sketch]
  double* gram;        // [kv_heads, width, width], then its Cholesky factor (lower)
  double* inverse;     // [kv_heads, width, width] of the factor

  QPKV_ON_DEVICE int Width() const { return sketch > 0 ? sketch : shape.dim; }
  QPKV_ON_DEVICE double* Row(int head, int token) const {
    return x + (static_cast<size_t>(head) * shape.tokens + token) * Width();
  }
  QPKV_ON_DEVICE double* Matrix(double* all, int head) const {
    return all + static_cast<size_t>(head) * Width() * Width();
  }
};

// Blocks (entries, head).
__global__ void ProjectionKernel(Work w) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x),
            count = w.shape.dim * w.sketch;
  if (i >= count) return;
  const uint64_t at = static_cast<uint64_t>(blockIdx.y) * count + i;
  w.projection[at] = NormalNumber(w.seed, at) / sqrt(static_cast<double>(w.sketch));
}

// Blocks (token, head).
__global__ void ProjectKernel(Work w) {
  const int token = w.first + static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
  const float* key = RowOf(w.k, w.capacity, w.shape.dim, head, token);
  const double* projection = w.projection + static_cast<size_t>(head) * w.shape.dim * w.sketch;
  for (int j = static_cast<int>(threadIdx.x); j < w.Width(); j += kRowThreads) {
    double sum = 0;
    for (int i = 0; w.sketch > 0 && i < w.shape.dim; ++i)
      sum += key[i] * projection[i * w.sketch + j];
    w.Row(head, token)[j] = w.sketch > 0 ? sum : key[j];
  }
}

// Blocks (column, head).
__global__ void CentreKernel(Work w) {
  const int j = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
  double sum = 0;
  for (int t = w.first + static_cast<int>(threadIdx.x); t < w.end; t += kRowThreads)
    sum += w.Row(head, t)[j];
  const double mean = BlockSum(sum) / (w.end - w.first);
  for (int t = w.first + static_cast<int>(threadIdx.x); t < w.end; t += kRowThreads)
    w.Row(head, t)[j] -= mean;
}

// Blocks (row, head): a thread per column.
__global__ void GramKernel(Work w) {
  const int i = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
  for (int j = static_cast<int>(threadIdx.x); j <= i; j += kRowThreads) {
    double sum = i == j ? w.ridge : 0;
    for (int t = w.first; t < w.end; ++t) sum += w.Row(head, t)[i] * w.Row(head, t)[j];
    w.Matrix(w.gram, head)[static_cast<size_t>(i) * w.Width() + j] = sum;
  }
}

// The factor and its inverse, column by column. A block per head.
__global__ void FactorKernel(Work w) {
  const int n = w.Width(), head = static_cast<int>(blockIdx.x), me = static_cast<int>(threadIdx.x);
  double* l = w.Matrix(w.gram, head);
  double* inverse = w.Matrix(w.inverse, head);
  for (int j = 0; j < n; ++j) {
    if (me == 0) l[j * n + j] = sqrt(l[j * n + j]);
    __syncthreads();
    for (int i = j + 1 + me; i < n; i += kRowThreads) l[i * n + j] /= l[j * n + j];
    __syncthreads();
    for (int i = j + 1 + me; i < n; i += kRowThreads)
      for (int c = j + 1; c <= i; ++c) l[i * n + c] -= l[i * n + j] * l[c * n + j];
    __syncthreads();
  }
  for (int c = me; c < n; c += kRowThreads)
    for (int i = 0; i < n; ++i) {
      double sum = i == c ? 1 : 0;
      for (int j = c; j < i; ++j) sum -= l[i * n + j] * inverse[j * n + c];
      inverse[i * n + c] = i < c ? 0 : sum / l[i * n + i];
    }
}

// Blocks (token, head).
__global__ void LeverageKernel(Work w, float* out) {
  const int token = w.first + static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y),
            n = w.Width();
  const double* x = w.Row(head, token);
  const double* inverse = w.Matrix(w.inverse, head);
  double squares = 0;
  for (int i = static_cast<int>(threadIdx.x); i < n; i += kRowThreads) {
    double y = 0;
    for (int j = 0; j <= i; ++j) y += inverse[i * n + j] * x[j];
    squares += y * y;
  }
  squares = BlockSum(squares);
  if (threadIdx.x == 0)
    out[static_cast<size_t>(head) * w.shape.tokens + token] = static_cast<float>(squares);
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  CudaStream& on = On(stream);
  const double* options = args.options.get();
  Work w = {args.shape,
            args.k_before,
            args.capacity,
            static_cast<int>(options[kFirst]),
            args.shape.tokens - static_cast<int>(options[kLast]),
            static_cast<int>(options[kSketch]),
            static_cast<uint64_t>(options[kSeed]),
            options[kRidge],
            nullptr,
            nullptr,
            nullptr,
            nullptr};
  if (w.first >= w.end) return;
  const size_t heads = static_cast<size_t>(w.shape.kv_heads),
               width = static_cast<size_t>(w.sketch > 0 ? w.sketch : w.shape.dim);
  const size_t rows = heads * w.shape.tokens * width, square = heads * width * width,
               projection = heads * w.shape.dim * static_cast<size_t>(w.sketch);
  w.x = static_cast<double*>(
      on.Scratch(Slot::kPartial, sizeof(double) * (rows + 2 * square + projection)));
  if (w.x == nullptr) return;
  w.gram = w.x + rows;
  w.inverse = w.gram + square;
  w.projection = w.inverse + square;
  const unsigned across = static_cast<unsigned>(heads),
                 tokens = static_cast<unsigned>(w.end - w.first),
                 columns = static_cast<unsigned>(width);
  if (w.sketch > 0)
    QPKV_LAUNCH(on.queue, ProjectionKernel,
                dim3(BlocksFor(projection / heads, kRowThreads), across), kRowThreads, 0, w);
  QPKV_LAUNCH(on.queue, ProjectKernel, dim3(tokens, across), kRowThreads, 0, w);
  QPKV_LAUNCH(on.queue, CentreKernel, dim3(columns, across), kRowThreads, 0, w);
  QPKV_LAUNCH(on.queue, GramKernel, dim3(columns, across), kRowThreads, 0, w);
  QPKV_LAUNCH(on.queue, FactorKernel, across, kRowThreads, 0, w);
  QPKV_LAUNCH(on.queue, LeverageKernel, dim3(tokens, across), kRowThreads, 0, w, args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, nullptr, nullptr, Run};

}  // namespace leverage
}  // namespace cuda
}  // namespace qpkv
