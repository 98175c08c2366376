// Stored forms of K and V (Transform of core's ops/tensor_format.h).
#pragma once
#include "device/numbers.h"
#include "ops/tensor_format.h"

namespace qpkv {
namespace cuda {

constexpr int kMostDim = 256;

// Rotates `count` floats, whole heads of dim behind one another, in shared memory. All threads;
// begins and ends with a barrier.
QPKV_DEVICE void RotateShared(float* x, int count, int dim) {
  const int run = RotatedRun(dim), me = static_cast<int>(threadIdx.x),
            threads = static_cast<int>(blockDim.x);
  for (int step = 1; step < run; step *= 2) {
    __syncthreads();
    for (int i = me; i < count; i += threads) {
      if ((i & step) != 0) continue;
      const float a = x[i], b = x[i + step];
      x[i] = a + b;
      x[i + step] = a - b;
    }
  }
  __syncthreads();
  const float factor = 1.0f / sqrtf(static_cast<float>(run));
  for (int i = me; i < count; i += threads) x[i] *= factor;
  __syncthreads();
}

// A row [dim] of head `head` in shared memory as it is stored. All threads; ends with a barrier.
QPKV_DEVICE void StoreShared(const Transform& t, int head, int dim, float* x) {
  for (int c = static_cast<int>(threadIdx.x); c < dim; c += static_cast<int>(blockDim.x)) {
    if (t.means != nullptr) x[c] = x[c] - t.means[static_cast<size_t>(head) * dim + c];
    if (t.rotate && t.signs != nullptr) x[c] *= t.signs[c];
  }
  if (t.rotate) return RotateShared(x, dim, dim);
  __syncthreads();
}

// The inverse; begins and ends with a barrier.
QPKV_DEVICE void RestoreShared(const Transform& t, int head, int dim, float* x) {
  __syncthreads();
  if (t.rotate) RotateShared(x, dim, dim);
  for (int c = static_cast<int>(threadIdx.x); c < dim; c += static_cast<int>(blockDim.x)) {
    if (t.rotate && t.signs != nullptr) x[c] *= t.signs[c];
    if (t.means != nullptr) x[c] += t.means[static_cast<size_t>(head) * dim + c];
  }
  __syncthreads();
}

// The inverse by one thread on its own.
QPKV_DEVICE void RestoreAlone(const Transform& t, int head, int dim, float* x) {
  const int run = RotatedRun(dim);
  const float factor = 1.0f / sqrtf(static_cast<float>(run));
  for (int step = 1; t.rotate && step < run; step *= 2)
    for (int i = 0; i < dim; ++i) {
      if ((i & step) != 0) continue;
      const float a = x[i], b = x[i + step];
      x[i] = a + b;
      x[i + step] = a - b;
    }
  for (int c = 0; c < dim; ++c) {
    if (t.rotate) x[c] *= t.signs != nullptr ? factor * t.signs[c] : factor;
    if (t.means != nullptr) x[c] += t.means[static_cast<size_t>(head) * dim + c];
  }
}

}  // namespace cuda
}  // namespace qpkv
