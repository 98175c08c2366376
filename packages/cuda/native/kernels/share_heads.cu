// ShareHeads: a head's share is how many of the layer's best scores are its own; one block searches
// over the weighed scores in double. packages/reference/src/share-among-heads.ts is the rule.
#include <vector>

#include "kernels/radix_select.h"
#include "kernels/table.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kThreads = 256;

// Sum of a head's best scores over the sum of all, sums in the order of tokens. A block per head.
__global__ void HeadWeightsKernel(ShareHeadsArgs a, double* weights) {
  const int count = a.end - a.begin;
  const float* scores = a.scores + static_cast<size_t>(blockIdx.x) * a.stride + a.begin;
  if (!a.weigh_top_share) {
    if (threadIdx.x == 0) weights[blockIdx.x] = 1;
    return;
  }
  const auto key_of = [&](int i, uint32_t* key) {
    *key = SortKey(scores[i]);
    return true;
  };
  Threshold<uint32_t> threshold = {0xffffffffu, 0};  // nothing is best of no slots
  if (a.slots > 0) threshold = FindThreshold<uint32_t>(count, a.slots, key_of);
  if (threadIdx.x != 0) return;
  double total = 0, best = 0;
  int equal = threshold.equal;
  for (int i = 0; i < count; ++i) {
    total += scores[i];
    const uint32_t key = SortKey(scores[i]);
    if (key > threshold.key || (key == threshold.key && equal-- > 0)) best += scores[i];
  }
  weights[blockIdx.x] = total == 0 ? 0 : best / total;
}

// bad[0]: the first head with a score that cannot be compared, or -1; bad[1]: whether its first is
// NaN. One block.
__global__ void FindBadKernel(ShareHeadsArgs a, int32_t* bad) {
  QPKV_SHARED(int, first, [1]);
  const int count = a.end - a.begin, all = a.heads * count;
  if (threadIdx.x == 0) first[0] = all;
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < all; i += kThreads) {
    const float x = a.scores[static_cast<size_t>(i / count) * a.stride + a.begin + i % count];
    if (IsNan(x) || (a.weigh_top_share && fabsf(x) == Infinity())) {
      atomicMin(&first[0], i);
      break;
    }
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  const int at = first[0];
  bad[0] = at < all ? at / count : -1;
  bad[1] = at < all &&
           IsNan(a.scores[static_cast<size_t>(at / count) * a.stride + a.begin + at % count]);
}

// Shares become slots, rounded head by head (half to even) or so that the sum is exact.
QPKV_DEVICE void RoundShares(const ShareHeadsArgs& a, const int32_t* shares, double* rests) {
  const int count = a.end - a.begin;
  const double equal = static_cast<double>(a.total) / a.heads;
  int64_t missing = a.total;
  for (int head = 0; head < a.heads; ++head) {
    if (a.least >= 0) {
      a.keep[head] = shares[head];
      continue;
    }
    if (a.round_each) {
      const double wanted = shares[head] * (1 - a.floor) + trunc(a.slots * a.floor);
      const int rounded = static_cast<int>(rint(wanted));
      a.keep[head] = rounded < count ? rounded : count;
      continue;
    }
    const double wanted = a.floor * equal + (1 - a.floor) * shares[head];
    a.keep[head] = static_cast<int32_t>(floor(wanted));
    rests[head] = wanted - floor(wanted);
    missing -= a.keep[head];
  }
  if (a.round_each || a.least >= 0) return;
  for (; missing > 0; --missing) {  // to the largest rest, of equal ones the lower head
    int most = 0;
    for (int head = 1; head < a.heads; ++head)
      if (rests[head] > rests[most]) most = head;
    ++a.keep[most];
    rests[most] = -1;
  }
}

// safe: [heads, count] 1: a head keeps it in any case. A block per head.
__global__ void SafeKernel(ShareHeadsArgs a, uint8_t* safe) {
  const int count = a.end - a.begin, keep = a.least < count ? a.least : count;
  const float* scores = a.scores + static_cast<size_t>(blockIdx.x) * a.stride + a.begin;
  safe += static_cast<size_t>(blockIdx.x) * count;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) safe[i] = 0;
  __syncthreads();
  if (keep == 0) return;
  const auto key_of = [&](int i, uint32_t* key) {
    *key = SortKey(scores[i]);
    return true;
  };
  const Threshold<uint32_t> threshold = FindThreshold<uint32_t>(count, keep, key_of);
  VisitKept(count, threshold, key_of, [&](int i, int) { safe[i] = 1; });
}

// One block. shares: [heads]; rests: [heads].
__global__ void ShareKernel(ShareHeadsArgs a, const double* weights, const uint8_t* safe,
                            int32_t* shares, double* rests) {
  const int count = a.end - a.begin, all = a.heads * count;
  for (int head = static_cast<int>(threadIdx.x); head < a.heads; head += kThreads) shares[head] = 0;
  __syncthreads();
  const auto key_of = [&](int i, uint64_t* key) {
    const int head = i / count;
    *key =
        safe != nullptr && safe[i] != 0
            ? ~uint64_t{0}
            : SortKey64(static_cast<double>(
                            a.scores[static_cast<size_t>(head) * a.stride + a.begin + i % count]) *
                        weights[head]);
    return true;
  };
  const Threshold<uint64_t> threshold =
      FindThreshold<uint64_t>(all, static_cast<int>(a.total), key_of);
  VisitKept(all, threshold, key_of, [&](int i, int) { atomicAdd(&shares[i / count], 1); });
  __syncthreads();
  if (threadIdx.x == 0) RoundShares(a, shares, rests);
}

// out: [heads, count] the scores of these tokens. Blocks (tokens, head).
__global__ void OpenKernel(const float* scores, int stride, const int32_t* tokens, int count,
                           float* out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count)
    out[static_cast<size_t>(blockIdx.y) * count + i] =
        scores[static_cast<size_t>(blockIdx.y) * stride + tokens[i]];
}

__global__ void FillKernel(int32_t* to, int count, int32_t value) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) to[i] = value;
}

}  // namespace

namespace {

// Candidates without the fixed ones, as rows of their own. False where there is no memory.
bool LeaveOutFixed(CudaStream& on, ShareHeadsArgs* a) {
  std::vector<int32_t> open;
  const int32_t* fixed = a->fixed.get();
  for (int t = a->begin, i = 0; t < a->end; ++t)
    if (i < a->fixed_count && fixed[i] == t)
      ++i;
    else
      open.push_back(t);
  const int count = static_cast<int>(open.size());
  const int32_t* tokens = on.Send(Slot::kIndex, open.data(), open.size());
  float* out = static_cast<float*>(
      on.Scratch(Slot::kResult, sizeof(float) * open.size() * static_cast<size_t>(a->heads)));
  if (tokens == nullptr || out == nullptr) return false;
  if (count > 0)
    QPKV_LAUNCH(on.queue, OpenKernel,
                dim3(BlocksFor(open.size(), kThreads), static_cast<unsigned>(a->heads)), kThreads,
                0, a->scores, a->stride, tokens, count, out);
  a->scores = out;
  a->begin = 0;
  a->end = a->stride = count;
  return true;
}

}  // namespace

void ShareHeads(Stream& stream, const ShareHeadsArgs& given) {
  CudaStream& on = On(stream);
  ShareHeadsArgs a = given;
  *a.bad_head.get() = -1;
  if (a.fixed_count > 0 && !LeaveOutFixed(on, &a)) return;
  const size_t heads = static_cast<size_t>(a.heads);
  const int count = a.end - a.begin;
  double* weights = static_cast<double*>(
      on.Scratch(Slot::kSums, heads * (2 * sizeof(double) + sizeof(int32_t)) + 64));
  int32_t* bad = static_cast<int32_t*>(on.Scratch(Slot::kFlags, 2 * sizeof(int32_t)));
  if (weights == nullptr || bad == nullptr) return;
  int32_t found[2] = {-1, 0};
  if (count > 0) {
    QPKV_LAUNCH(on.queue, FindBadKernel, 1, kThreads, 0, a, bad);
    on.queue.CopyOut(found, bad, sizeof found);
  }
  if (found[0] >= 0) {
    *a.bad_head.get() = found[0];
    *a.bad_is_nan.get() = found[1] != 0;
    return;
  }
  if (a.total == 0) a.total = static_cast<int64_t>(a.heads) * a.slots;
  const bool everything = a.total >= static_cast<int64_t>(a.heads) * count;
  if (a.total <= 0 || everything) {
    QPKV_LAUNCH(on.queue, FillKernel, BlocksFor(heads, kThreads), kThreads, 0, a.keep, a.heads,
                everything ? count : 0);
    return;
  }
  uint8_t* safe = nullptr;
  if (a.least >= 0) {
    safe = static_cast<uint8_t*>(on.Scratch(Slot::kPartial, heads * static_cast<size_t>(count)));
    if (safe == nullptr) return;
    QPKV_LAUNCH(on.queue, SafeKernel, a.heads, kThreads, 0, a, safe);
  }
  double* rests = weights + heads;
  int32_t* shares = reinterpret_cast<int32_t*>(rests + heads);
  QPKV_LAUNCH(on.queue, HeadWeightsKernel, a.heads, kThreads, 0, a, weights);
  QPKV_LAUNCH(on.queue, ShareKernel, 1, kThreads, 0, a, weights, safe, shares, rests);
}

}  // namespace cuda
}  // namespace qpkv
