// See observed_rows.h.
#include "kernels/observed_rows.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kThreads = 128;

// Blocks (row, head).
__global__ void LseKernel(ObservedRows rows, float* lse) {
  const int row = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
  LogSum sum = {-Infinity(), 0};
  for (int t = rows.FirstKey(row) + static_cast<int>(threadIdx.x); t < rows.EndKey(row);
       t += kThreads)
    sum = AddLogSums{}(sum, {LogitOf(rows, head, row, rows.Key(head, t)), 1});
  sum = BlockJoin(sum, AddLogSums{});
  if (threadIdx.x == 0) lse[static_cast<size_t>(head) * rows.rows + row] = sum.most + logf(sum.sum);
}

// Blocks (channels of all heads, row).
__global__ void KeepKernel(const float* q, int q_stride, int width, float* kept) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < width)
    kept[static_cast<size_t>(blockIdx.y) * width + i] =
        q[static_cast<size_t>(blockIdx.y) * q_stride + i];
}

}  // namespace

ObservedRows ChunkRows(const StatisticArgs& args, int begin, int end) {
  ObservedRows rows = {};
  const int first = begin > args.first ? begin : args.first,
            last = end < args.first + args.rows ? end : args.first + args.rows;
  const int skipped = first - args.first;
  rows.shape = args.shape;
  rows.q = args.q + static_cast<size_t>(skipped) * args.q_stride;
  rows.k = args.k;
  rows.lse = args.lse == nullptr ? nullptr : args.lse + skipped;
  rows.first = first;
  rows.rows = last > first ? last - first : 0;
  rows.q_stride = args.q_stride;
  rows.lse_stride = args.lse_stride;
  rows.capacity = args.capacity;
  rows.block = -1;
  rows.scale = args.scale;
  rows.round = args.precision == Precision::kBf16;
  return rows;
}

bool ObserveLse(CudaStream& on, ObservedRows* rows) {
  if (rows->rows == 0) return true;
  float* lse = static_cast<float*>(on.Scratch(
      Slot::kSums, sizeof(float) * rows->shape.q_heads * static_cast<size_t>(rows->rows)));
  if (lse == nullptr) return false;
  QPKV_LAUNCH(on.queue, LseKernel,
              dim3(static_cast<unsigned>(rows->rows), static_cast<unsigned>(rows->shape.q_heads)),
              kThreads, 0, *rows, lse);
  rows->lse = lse;
  rows->lse_stride = rows->rows;
  return true;
}

void KeepQueries(CudaStream& on, const StatisticArgs& args, const float* q, int q_stride,
                 float* kept) {
  const int width = args.shape.q_heads * args.shape.dim;
  if (args.rows > 0)
    QPKV_LAUNCH(on.queue, KeepKernel,
                dim3(BlocksFor(width, kThreads), static_cast<unsigned>(args.rows)), kThreads, 0, q,
                q_stride, width, kept + static_cast<size_t>(args.first) * width);
}

}  // namespace cuda
}  // namespace qpkv
