// Select: a block per head finds what each stage takes. The tokens go to the host, which puts them
// in the order of their scores where they are stored so.
#include <algorithm>
#include <vector>

#include "kernels/radix_select.h"
#include "kernels/table.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kThreads = 256;

struct Work {
  SelectArgs args;
  const int32_t* fixed;  // [fixed_count]
  uint8_t* taken;        // [heads, candidates]: 0, or 1 + the stage that took it; 255: fixed
  int32_t* order;        // [heads, candidates]: tokens stage by stage, each in their order
  int32_t* counts;       // [heads, kMaxStages + 1]: how many each stage took; then whether NaN
};

__global__ void SelectKernel(Work w) {
  const SelectArgs& a = w.args;
  const int head = static_cast<int>(blockIdx.x), count = a.candidates_end - a.candidates_begin;
  uint8_t* taken = w.taken + static_cast<size_t>(head) * count;
  int32_t* order = w.order + static_cast<size_t>(head) * count;
  int32_t* counts = w.counts + static_cast<size_t>(head) * (kMaxStages + 1);
  const auto scores_of = [&](int stage) {
    return a.stages[stage].scores + static_cast<size_t>(head) * a.stride + a.candidates_begin;
  };
  int bad = 0;
  for (int s = 0; s < a.stage_count; ++s)
    for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads)
      bad |= IsNan(scores_of(s)[i]);
  bad = BlockMax(bad);
  if (threadIdx.x <= kMaxStages) counts[threadIdx.x] = threadIdx.x == kMaxStages ? bad : 0;
  if (bad != 0) return;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) taken[i] = 0;
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < a.fixed_count; i += kThreads)
    taken[w.fixed[i] - a.candidates_begin] = 255;
  __syncthreads();
  const int keep = a.keep != nullptr ? a.keep[head] : a.keep_each;
  int left = keep;
  for (int s = 0; s < a.stage_count && left > 0; ++s) {
    // A share that was meant to be whole must not lose a slot to its rounding.
    const int share = static_cast<int>(a.stages[s].share * (keep + a.stages[s].reserved) + 1e-9) -
                      a.stages[s].reserved;
    const int slots = s + 1 == a.stage_count ? left : share < left ? share : left;
    if (slots <= 0) continue;
    const float* scores = scores_of(s);
    const auto key_of = [&](int i, uint32_t* key) {
      *key = SortKey(scores[i]);
      return taken[i] == 0;
    };
    const Threshold<uint32_t> threshold = FindThreshold<uint32_t>(count, slots, key_of);
    const int found = VisitKept(count, threshold, key_of, [&](int i, int place) {
      taken[i] = static_cast<uint8_t>(1 + s);
      order[keep - left + place] = a.candidates_begin + i;
    });
    if (threadIdx.x == 0) counts[s] = found;
    left -= found;
    __syncthreads();
  }
}

// What a head keeps, from what the device has found: [begin, ...) in its row of `kept`.
void WriteHead(const SelectArgs& a, int head, const int32_t* order, const int32_t* counts,
               const std::vector<float>* scores) {
  int32_t* const begin = a.kept.get() + static_cast<size_t>(head) * a.kept_stride;
  int32_t* kept = begin;
  for (int t = a.first_begin; t < a.candidates_begin; ++t) *kept++ = t;
  int32_t* const middle = kept;
  kept = std::copy_n(a.fixed.get(), a.fixed_count, kept);
  for (int s = 0; s < a.stage_count; ++s) {
    int32_t* const stage = kept;
    kept = std::copy_n(order, counts[s], kept);
    order += counts[s];
    if (!a.by_score || counts[s] == 0) continue;
    const float* row = scores[s].data() + static_cast<size_t>(head) * a.stride;
    std::stable_sort(stage, kept, [&](int32_t x, int32_t y) { return row[x] > row[y]; });
  }
  if (!a.by_score) std::sort(middle, kept);
  for (int t = a.candidates_end; t < a.tokens; ++t) *kept++ = t;
  a.kept_count.get()[head] = static_cast<int32_t>(kept - begin);
}

}  // namespace

void Select(Stream& stream, const SelectArgs& a) {
  CudaStream& on = On(stream);
  const size_t count = static_cast<size_t>(a.candidates_end - a.candidates_begin),
               heads = static_cast<size_t>(a.heads);
  *a.nan_head.get() = -1;
  const size_t marks = (heads * count + 255) / 256 * 256;
  uint8_t* taken = static_cast<uint8_t*>(
      on.Scratch(Slot::kResult, marks + sizeof(int32_t) * heads * (count + kMaxStages + 1)));
  int32_t* fixed = on.Send(Slot::kIndex, a.fixed.get(), static_cast<size_t>(a.fixed_count));
  if (taken == nullptr || fixed == nullptr) return;
  int32_t* order = reinterpret_cast<int32_t*>(taken + marks);
  int32_t* counts = order + heads * count;
  QPKV_LAUNCH(on.queue, SelectKernel, a.heads, kThreads, 0, Work{a, fixed, taken, order, counts});
  std::vector<int32_t> found(heads * (count + kMaxStages + 1));
  on.queue.CopyOut(found.data(), order, found.size() * sizeof(int32_t));
  const int32_t* found_counts = found.data() + heads * count;
  for (int head = a.heads - 1; head >= 0; --head)
    if (found_counts[head * (kMaxStages + 1) + kMaxStages] != 0) *a.nan_head.get() = head;
  if (*a.nan_head.get() >= 0) return;
  std::vector<float> scores[kMaxStages];
  for (int s = 0; a.by_score && s < a.stage_count; ++s) {
    const size_t floats = (heads - 1) * a.stride + static_cast<size_t>(a.candidates_end);
    scores[s].resize(heads * a.stride);
    on.queue.CopyOut(scores[s].data(), a.stages[s].scores, floats * sizeof(float));
  }
  for (int head = 0; head < a.heads; ++head)
    WriteHead(a, head, found.data() + head * count, found_counts + head * (kMaxStages + 1), scores);
}

}  // namespace cuda
}  // namespace qpkv
