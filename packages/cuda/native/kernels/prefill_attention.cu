// PrefillAttention in float32: 16 queries of a head against tiles of 32 keys, with a running
// maximum. What may be rounded to bf16 goes to tensor cores (prefill_attention_bf16.cu).
#include "device/numbers.h"
#include "device/warp.h"
#include "kernels/activation.h"
#include "kernels/prefill_attention_bf16.h"
#include "kernels/table.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kQueries = 16, kKeys = 32;
constexpr int kLanes8 = 8;  // threads that share a query, neighbours in a warp
constexpr int kThreads = kQueries * kLanes8;

// Floats of a staged row: 16-byte steps that start in different banks.
QPKV_DEVICE int PitchOf(int dim) { return dim + 1; }

template <class Join>
QPKV_DEVICE float JoinQuery(float x, const Join& join) {
  for (int with = kLanes8 / 2; with > 0; with /= 2) x = join(x, ShuffleXor(x, with));
  return x;
}

// Blocks (query tile, query head). kChannels: of 8, that a thread sums, so that dim <= 8 kChannels.
template <int kChannels>
__global__ void PrefillKernel(PrefillAttentionArgs a) {
  QPKV_DYNAMIC_SHARED(bytes);
  const int pitch = PitchOf(a.dim), head = static_cast<int>(blockIdx.y);
  float* q = reinterpret_cast<float*>(bytes);  // [kQueries, pitch]
  float* rows = q + kQueries * pitch;          // [kKeys, pitch]: keys, then values
  float* p = rows + kKeys * pitch;             // [kQueries, kKeys + 1]
  const int first = static_cast<int>(blockIdx.x) * kQueries;
  const int query = static_cast<int>(threadIdx.x) / kLanes8,
            part = static_cast<int>(threadIdx.x) % kLanes8;
  const size_t kv = static_cast<size_t>(head / (a.q_heads / a.kv_heads)) * a.capacity;
  for (int i = static_cast<int>(threadIdx.x); i < kQueries * a.dim; i += kThreads) {
    const int r = i / a.dim, c = i % a.dim;
    q[r * pitch + c] = first + r < a.rows ? a.q[static_cast<size_t>(first + r) * a.q_stride +
                                                static_cast<size_t>(head) * a.dim + c]
                                          : 0.0f;
  }
  const int position = a.first + first + query;
  const int last = a.first + (first + kQueries < a.rows ? first + kQueries : a.rows);
  const int lowest = a.window > 0 ? a.first + first + 1 - a.window : 0;
  const int own_lowest = a.window > 0 ? position + 1 - a.window : 0;
  float most = -Infinity(), sum = 0, out[kChannels];
#pragma unroll
  for (int i = 0; i < kChannels; ++i) out[i] = 0;
  for (int key = (lowest > 0 ? lowest : 0) / kKeys * kKeys; key < last; key += kKeys) {
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < kKeys * a.dim; i += kThreads) {
      const int t = i / a.dim, c = i % a.dim;
      rows[t * pitch + c] = key + t < last ? a.k[(kv + key + t) * a.dim + c] : 0.0f;
    }
    __syncthreads();
    float logits[kKeys / kLanes8], tile_most = most;
    for (int j = 0; j < kKeys / kLanes8; ++j) {
      const int t = part + kLanes8 * j;
      float dot = 0;
      for (int c = 0; c < a.dim; ++c) dot = fmaf(q[query * pitch + c], rows[t * pitch + c], dot);
      const bool seen = key + t <= position && key + t >= own_lowest;
      logits[j] = seen ? Capped(dot * a.scale, a.cap) : -Infinity();
      tile_most = fmaxf(tile_most, logits[j]);
    }
    tile_most = JoinQuery(tile_most, Largest{});
    const float kept = most == tile_most ? 1.0f : expf(most - tile_most);
    most = tile_most;
    float more = 0;
    for (int j = 0; j < kKeys / kLanes8; ++j) {
      const float x = logits[j] == -Infinity() ? 0.0f : expf(logits[j] - most);
      p[query * (kKeys + 1) + part + kLanes8 * j] = x;
      more += x;
    }
    sum = sum * kept + JoinQuery(more, Sum{});
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < kKeys * a.dim; i += kThreads) {
      const int t = i / a.dim, c = i % a.dim;
      rows[t * pitch + c] = key + t < last ? a.v[(kv + key + t) * a.dim + c] : 0.0f;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kChannels; ++i) {
      const int c = part + kLanes8 * i;
      float x = out[i] * kept;
      for (int t = 0; t < kKeys && c < a.dim; ++t)
        x = fmaf(p[query * (kKeys + 1) + t], rows[t * pitch + c], x);
      out[i] = x;
    }
  }
  if (first + query >= a.rows) return;
  float* to = a.out + (static_cast<size_t>(first + query) * a.q_heads + head) * a.dim;
#pragma unroll
  for (int i = 0; i < kChannels; ++i)
    if (part + kLanes8 * i < a.dim) to[part + kLanes8 * i] = out[i] / sum;
  if (a.lse != nullptr && part == 0)
    a.lse[static_cast<size_t>(head) * a.rows + first + query] = most + logf(sum);
}

}  // namespace

void PrefillAttention(Stream& stream, const PrefillAttentionArgs& a) {
  CudaStream& on = On(stream);
  if (a.rows == 0) return;
  if (a.precision == Precision::kBf16) return PrefillAttentionBf16(on, a);
  const size_t shared = sizeof(float) * ((kQueries + kKeys) * static_cast<size_t>(a.dim + 1) +
                                         kQueries * (kKeys + 1));
  const dim3 grid(BlocksFor(a.rows, kQueries), static_cast<unsigned>(a.q_heads));
  if (a.dim <= 64)
    QPKV_LAUNCH(on.queue, PrefillKernel<8>, grid, kThreads, shared, a);
  else if (a.dim <= 128)
    QPKV_LAUNCH(on.queue, PrefillKernel<16>, grid, kThreads, shared, a);
  else
    QPKV_LAUNCH(on.queue, PrefillKernel<32>, grid, kThreads, shared, a);
}

}  // namespace cuda
}  // namespace qpkv
