// See prefill_attention_bf16.h.
//
// A block has 4 warps of 16 queries each of one head. Keys and values come in tiles of 32 tokens as
// bf16 in shared memory: keys [token][channel pairs], values [channel][token pairs], each the
// layout whose words are registers of fragment B. Queries are loaded once, as fragments A.
// Probabilities go from the sums' registers straight into fragments A: both lie alike.
#include "device/mma.h"
#include "device/warp.h"
#include "kernels/activation.h"
#include "kernels/prefill_attention_bf16.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kWarps = 4, kQueries = 16 * kWarps, kKeys = 32;
constexpr int kThreads = kWarps * kWarp;
constexpr int kValuePitch = kKeys / 2 + 4;  // words: lanes of a load in different banks

// Of the four lanes that hold parts of a row.
template <class Join>
QPKV_DEVICE float JoinRow(float x, const Join& join) {
  x = join(x, ShuffleXor(x, 1));
  return join(x, ShuffleXor(x, 2));
}

// kDepth: dim padded to 16, over 16. Blocks (query tile, query head).
template <int kDepth>
__global__ void PrefillBf16Kernel(PrefillAttentionArgs a) {
  constexpr int kPitch = 8 * kDepth + 4;  // words of a key
  QPKV_DYNAMIC_SHARED(bytes);
  uint32_t* keys = reinterpret_cast<uint32_t*>(bytes);  // [kKeys, kPitch]
  uint32_t* values = keys + kKeys * kPitch;             // [16 kDepth, kValuePitch]
  const int head = static_cast<int>(blockIdx.y), g = LaneId() / 4, t = LaneId() % 4;
  const size_t kv = static_cast<size_t>(head / (a.q_heads / a.kv_heads)) * a.capacity;
  const int block_first = static_cast<int>(blockIdx.x) * kQueries;
  const int first = block_first + WarpId() * 16;
  const auto query = [&](int d) {
    FragmentA fragment;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = first + g + i % 2 * 8, c = 16 * d + 2 * t + i / 2 * 8;
      const float* from =
          a.q + static_cast<size_t>(row) * a.q_stride + static_cast<size_t>(head) * a.dim;
      const bool there = row < a.rows;
      // Channels are even, so that a pair is there or not.
      fragment.r[i] = there && c < a.dim ? PackBf16(from[c], from[c + 1]) : 0u;
    }
    return fragment;
  };
  // Registers hold those of up to 128 channels; of more they are read again for each tile.
  constexpr bool kKept = kDepth <= 8;
  FragmentA q[kKept ? kDepth : 1];
#pragma unroll
  for (int d = 0; d < (kKept ? kDepth : 0); ++d) q[d] = query(d);
  FragmentC out[2 * kDepth];
#pragma unroll
  for (int i = 0; i < 2 * kDepth; ++i) out[i] = {{0, 0, 0, 0}};
  float most[2] = {-Infinity(), -Infinity()}, sum[2] = {0, 0};
  const int end = block_first + kQueries < a.rows ? block_first + kQueries : a.rows;
  const int last = a.first + end;
  const int lowest = a.window > 0 ? a.first + block_first + 1 - a.window : 0;
  for (int key = (lowest > 0 ? lowest : 0) / kKeys * kKeys; key < last; key += kKeys) {
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < kKeys * 8 * kDepth; i += kThreads) {
      const int token = i / (8 * kDepth), c = i % (8 * kDepth) * 2;
      const float* from = a.k + (kv + key + token) * a.dim;
      const bool there = key + token < last;
      keys[token * kPitch + c / 2] = there && c < a.dim ? PackBf16(from[c], from[c + 1]) : 0u;
    }
    for (int i = static_cast<int>(threadIdx.x); i < kKeys / 2 * 16 * kDepth; i += kThreads) {
      const int pair = i / (16 * kDepth), c = i % (16 * kDepth), token = key + 2 * pair;
      const float* from = a.v + (kv + token) * a.dim + c;
      values[c * kValuePitch + pair] = PackBf16(c < a.dim && token < last ? from[0] : 0.0f,
                                                c < a.dim && token + 1 < last ? from[a.dim] : 0.0f);
    }
    __syncthreads();
    FragmentC logits[kKeys / 8];
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) logits[n] = {{0, 0, 0, 0}};
#pragma unroll(kKept ? kDepth : 1)
    for (int d = 0; d < kDepth; ++d) {
      const FragmentA own = kKept ? q[kKept ? d : 0] : query(d);
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
        const uint32_t* row = keys + (8 * n + g) * kPitch + t;
        Multiply(logits[n], own, {{row[8 * d], row[8 * d + 4]}});
      }
    }
    float kept[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int position = a.first + first + g + 8 * half;
      const int own_lowest = a.window > 0 ? position + 1 - a.window : 0;
      float tile_most = most[half];
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float& x = logits[n].r[2 * half + i];
          const int token = key + 8 * n + 2 * t + i;
          x = token <= position && token >= own_lowest ? Capped(x * a.scale, a.cap) : -Infinity();
          tile_most = fmaxf(tile_most, x);
        }
      tile_most = JoinRow(tile_most, Largest{});
      kept[half] = most[half] == tile_most ? 1.0f : expf(most[half] - tile_most);
      most[half] = tile_most;
      float more = 0;
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float& x = logits[n].r[2 * half + i];
          x = x == -Infinity() ? 0.0f : expf(x - tile_most);
          more += x;
        }
      sum[half] = sum[half] * kept[half] + JoinRow(more, Sum{});
    }
#pragma unroll
    for (int i = 0; i < 2 * kDepth; ++i)
#pragma unroll
      for (int r = 0; r < 4; ++r) out[i].r[r] *= kept[r / 2];
#pragma unroll
    for (int depth = 0; depth < kKeys / 16; ++depth) {
      FragmentA p;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const FragmentC& from = logits[2 * depth + i / 2];
        p.r[i] = PackBf16(from.r[i % 2 * 2], from.r[i % 2 * 2 + 1]);
      }
#pragma unroll
      for (int i = 0; i < 2 * kDepth; ++i) {
        const uint32_t* column = values + (8 * i + g) * kValuePitch + 8 * depth + t;
        Multiply(out[i], p, {{column[0], column[4]}});
      }
    }
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = first + g + 8 * half;
    if (row >= a.rows) continue;
    float* to = a.out + (static_cast<size_t>(row) * a.q_heads + head) * a.dim;
#pragma unroll
    for (int i = 0; i < 2 * kDepth; ++i)
#pragma unroll
      for (int j = 0; j < 2; ++j)
        if (8 * i + 2 * t + j < a.dim) to[8 * i + 2 * t + j] = out[i].r[2 * half + j] / sum[half];
    if (a.lse != nullptr && t == 0)
      a.lse[static_cast<size_t>(head) * a.rows + row] = most[half] + logf(sum[half]);
  }
}

template <int kDepth>
void Run(CudaStream& on, const PrefillAttentionArgs& a) {
  const size_t shared = sizeof(uint32_t) * (kKeys * (8 * kDepth + 4) + 16 * kDepth * kValuePitch);
  QPKV_LAUNCH(on.queue, PrefillBf16Kernel<kDepth>,
              dim3(BlocksFor(a.rows, kQueries), static_cast<unsigned>(a.q_heads)), kThreads, shared,
              a);
}

}  // namespace

void PrefillAttentionBf16(CudaStream& on, const PrefillAttentionArgs& a) {
  if (a.dim <= 32) return Run<2>(on, a);
  if (a.dim <= 64) return Run<4>(on, a);
  if (a.dim <= 96) return Run<6>(on, a);
  if (a.dim <= 128) return Run<8>(on, a);
  Run<16>(on, a);
}

}  // namespace cuda
}  // namespace qpkv
