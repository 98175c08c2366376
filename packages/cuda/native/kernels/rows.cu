// LoadFloats, RmsNorm, Scale, Rope, Glu, StoreHeads, NoteNan: row by row in float32.
#include "device/numbers.h"
#include "device/warp.h"
#include "kernels/activation.h"
#include "kernels/table.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kThreads = 256;

__global__ void LoadFloatsKernel(const uint8_t* source, Element element, int count, float* out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) out[i] = LoadElementAnywhere(element, source, static_cast<size_t>(i));
}

// A block per group of a row.
__global__ void RmsNormKernel(RmsNormArgs a) {
  const int row = static_cast<int>(blockIdx.x) / a.groups;
  const int group = static_cast<int>(blockIdx.x) % a.groups;
  const size_t at = static_cast<size_t>(row) * a.stride + static_cast<size_t>(group) * a.dim;
  const float* x = a.x + at;
  float* out = a.out + at;
  float squares = 0;
  for (int i = static_cast<int>(threadIdx.x); i < a.dim; i += kThreads)
    squares = fmaf(x[i], x[i], squares);
  const float factor = 1.0f / sqrtf(BlockSum(squares) / static_cast<float>(a.dim) + a.epsilon);
  for (int i = static_cast<int>(threadIdx.x); i < a.dim; i += kThreads) {
    const float y = x[i] * factor * (a.weight[i] + a.offset);
    out[i] = a.accumulate ? out[i] + y : y;
  }
}

__global__ void ScaleKernel(ScaleArgs a) {
  const size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= a.count) return;
  const float y = Capped(a.x[i] * a.factor, a.cap);
  a.out[i] = a.accumulate ? a.out[i] + y : y;
}

// A thread per pair of channels; blocks (pairs of a row, row).
__global__ void RopeKernel(RopeArgs a) {
  const int half = a.rotary_dim / 2, pair = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (pair >= a.heads * half) return;
  const int i = pair % half;
  float* x =
      a.x + static_cast<size_t>(blockIdx.y) * a.stride + static_cast<size_t>(pair / half) * a.dim;
  // The angle is a float32 product: that is what the models were trained with.
  const float angle = static_cast<float>(a.positions[blockIdx.y]) * a.inv_freq[i];
  const float c = cosf(angle) * a.scale, s = sinf(angle) * a.scale;
  const float low = x[i], high = x[i + half];
  x[i] = low * c - high * s;
  x[i + half] = high * c + low * s;
}

__global__ void GluKernel(GluArgs a) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= a.dim) return;
  const float* row = a.gate_up + static_cast<size_t>(blockIdx.y) * 2 * a.dim;
  a.out[static_cast<size_t>(blockIdx.y) * a.dim + i] =
      Active(a.activation, row[i]) * row[a.dim + i];
}

__global__ void StoreHeadsKernel(StoreHeadsArgs a) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= a.heads * a.dim) return;
  const int head = i / a.dim, row = static_cast<int>(blockIdx.y);
  a.out[(static_cast<size_t>(head) * a.capacity + a.first + row) * a.dim + i % a.dim] =
      a.x[static_cast<size_t>(row) * a.stride + i];
}

__global__ void NoteNanKernel(NoteNanArgs a) {
  const float* x = a.x + static_cast<size_t>(blockIdx.x) * a.dim;
  int bad = 0;
  for (int i = static_cast<int>(threadIdx.x); i < a.dim; i += kThreads) bad |= IsNan(x[i]);
  bad = BlockMax(bad);
  if (threadIdx.x == 0 && bad != 0 && a.notes[blockIdx.x] < 0) a.notes[blockIdx.x] = a.mark;
}

}  // namespace

void LoadFloats(Stream& stream, const LoadFloatsArgs& a) {
  CudaStream& on = On(stream);
  const size_t bytes = static_cast<size_t>(a.count) * ElementBytes(a.element);
  const uint8_t* source =
      on.Send(Slot::kSource, static_cast<const uint8_t*>(a.source.get()), bytes);
  if (source == nullptr || a.count == 0) return;
  QPKV_LAUNCH(on.queue, LoadFloatsKernel, BlocksFor(a.count, kThreads), kThreads, 0, source,
              a.element, a.count, a.out);
}

void RmsNorm(Stream& stream, const RmsNormArgs& a) {
  if (a.rows > 0) QPKV_LAUNCH(On(stream).queue, RmsNormKernel, a.rows * a.groups, kThreads, 0, a);
}

void Scale(Stream& stream, const ScaleArgs& a) {
  if (a.count > 0)
    QPKV_LAUNCH(On(stream).queue, ScaleKernel, BlocksFor(a.count, kThreads), kThreads, 0, a);
}

void Rope(Stream& stream, const RopeArgs& a) {
  const size_t pairs = static_cast<size_t>(a.heads) * (a.rotary_dim / 2);
  ForRows(a.rows, [&](int first, int rows) {
    RopeArgs part = a;
    part.x += static_cast<size_t>(first) * a.stride;
    part.positions += first;
    if (pairs > 0)
      QPKV_LAUNCH(On(stream).queue, RopeKernel,
                  dim3(BlocksFor(pairs, kThreads), static_cast<unsigned>(rows)), kThreads, 0, part);
  });
}

void Glu(Stream& stream, const GluArgs& a) {
  ForRows(a.rows, [&](int first, int rows) {
    GluArgs part = a;
    part.gate_up += static_cast<size_t>(first) * 2 * a.dim;
    part.out += static_cast<size_t>(first) * a.dim;
    QPKV_LAUNCH(On(stream).queue, GluKernel,
                dim3(BlocksFor(a.dim, kThreads), static_cast<unsigned>(rows)), kThreads, 0, part);
  });
}

void StoreHeads(Stream& stream, const StoreHeadsArgs& a) {
  ForRows(a.rows, [&](int first, int rows) {
    StoreHeadsArgs part = a;
    part.x += static_cast<size_t>(first) * a.stride;
    part.first += first;
    QPKV_LAUNCH(On(stream).queue, StoreHeadsKernel,
                dim3(BlocksFor(static_cast<size_t>(a.heads) * a.dim, kThreads),
                     static_cast<unsigned>(rows)),
                kThreads, 0, part);
  });
}

void NoteNan(Stream& stream, const NoteNanArgs& a) {
  if (a.rows > 0) QPKV_LAUNCH(On(stream).queue, NoteNanKernel, a.rows, kThreads, 0, a);
}

}  // namespace cuda
}  // namespace qpkv
