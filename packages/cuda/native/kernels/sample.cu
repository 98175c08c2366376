// Sample and CountTokens: a block per row. Everything in double.
//
// Candidates that take part are sorted as pairs of key and id, so that equal logits keep the order
// of their ids. Sums run over whole turns of the threads, in a fixed order.
#include "kernels/radix_select.h"
#include "kernels/table.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kThreads = 256;

struct Candidate {
  uint64_t key;  // of the logit: larger is likelier
  double probability;
  double logit;
  int32_t id, reserved;
};
// The likelier first, of equal ones the lower id; empty places (id -1) last.
QPKV_DEVICE bool Before(const Candidate& a, const Candidate& b) {
  if (a.id < 0 || b.id < 0) return b.id < 0 && a.id >= 0;
  return a.key != b.key ? a.key > b.key : a.id < b.id;
}

QPKV_DEVICE double Penalized(const SampleRow& row, int32_t id) {
  const double logit = row.logits[id];
  const int32_t count = row.counts == nullptr ? 0 : row.counts[id];
  if (count == 0) return logit;
  const double scaled = logit > 0 ? logit / row.repetition_penalty : logit * row.repetition_penalty;
  return scaled - row.presence_penalty - row.frequency_penalty * count;
}

QPKV_DEVICE bool IsAllowed(const SampleRow& row, int32_t id) {
  return row.allowed == nullptr || (row.allowed[id / 32] >> (id % 32) & 1u) != 0;
}

// NaN has no place in an order.
QPKV_DEVICE double Ordered(double logit) {
  return logit == logit ? logit : -static_cast<double>(Infinity());
}

// logits [vocab]: with penalties and bias.
QPKV_DEVICE void Adjust(const SampleRow& row, int vocab, double* logits) {
  for (int id = static_cast<int>(threadIdx.x); id < vocab; id += kThreads)
    logits[id] = Penalized(row, id);
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < row.bias_count; i += kThreads)
    logits[row.bias_ids[i]] += row.bias[i];
  __syncthreads();
  for (int id = static_cast<int>(threadIdx.x); id < vocab; id += kThreads)
    logits[id] = Ordered(logits[id]);
  __syncthreads();
}

// The `count` likeliest of logits into `sorted`, in order; fewer where fewer take part. Returns how
// many. room: a power of two of candidates, at least `count`.
template <class TakesPart>
QPKV_DEVICE int SortLikeliest(const double* logits, int vocab, int count, Candidate* sorted,
                              const TakesPart& takes_part) {
  int many = 0;
  for (int id = static_cast<int>(threadIdx.x); id < vocab; id += kThreads) many += takes_part(id);
  many = BlockSum(many);
  if (many < count) count = many;
  if (count == 0) return 0;
  int room = 1;
  while (room < count) room *= 2;
  for (int i = static_cast<int>(threadIdx.x); i < room; i += kThreads) sorted[i].id = -1;
  const auto key_of = [&](int id, uint64_t* key) {
    *key = SortKey64(logits[id]);
    return takes_part(id);
  };
  const Threshold<uint64_t> threshold = FindThreshold<uint64_t>(vocab, count, key_of);
  VisitKept(vocab, threshold, key_of, [&](int id, int place) {
    sorted[place] = {SortKey64(logits[id]), 0, logits[id], id, 0};
  });
  // Bitonic.
  for (int size = 2; size <= room; size *= 2)
    for (int step = size / 2; step > 0; step /= 2) {
      __syncthreads();
      for (int i = static_cast<int>(threadIdx.x); i < room; i += kThreads) {
        const int other = i ^ step;
        if (other <= i) continue;
        const bool up = (i & size) == 0;
        if (Before(sorted[other], sorted[i]) == up) {
          const Candidate swapped = sorted[i];
          sorted[i] = sorted[other];
          sorted[other] = swapped;
        }
      }
    }
  __syncthreads();
  return count;
}

// Of sorted candidates, how many top-p and min-p leave; fills in their probabilities.
QPKV_DEVICE int CutTail(const SampleRow& row, Candidate* sorted, int count) {
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads)
    sum += sorted[i].probability = exp((sorted[i].logit - sorted[0].logit) / row.temperature);
  sum = BlockSum(sum);
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads)
    sorted[i].probability /= sum;
  __syncthreads();
  int keep = count;
  if (row.top_p < 1) {
    double reached = 0;
    for (keep = 0; keep < count && reached < row.top_p; ++keep) reached += sorted[keep].probability;
  }
  const double least = row.min_p * sorted[0].probability;
  while (keep > 1 && sorted[keep - 1].probability < least) --keep;
  return keep > 1 ? keep : 1;
}

QPKV_DEVICE int32_t Draw(const SampleRow& row, const Candidate* sorted, int count) {
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += sorted[i].probability;
  double left = row.uniform * sum;
  for (int i = 0; i < count; ++i) {
    left -= sorted[i].probability;
    if (left < 0) return sorted[i].id;
  }
  return sorted[count - 1].id;
}

// The likeliest of all.
struct Best {
  double logit;
  int32_t id, reserved;  // id -1: none
};
struct Likelier {
  QPKV_ON_DEVICE Best operator()(const Best& a, const Best& b) const {
    if (a.id < 0 || b.id < 0) return a.id < 0 ? b : a;
    if (a.logit != b.logit) return a.logit > b.logit ? a : b;
    return a.id < b.id ? a : b;
  }
};

// logits: adjusted ones where there is a bias, else null.
QPKV_DEVICE int32_t Greedy(const SampleRow& row, int vocab, const double* logits) {
  Best best = {0, -1, 0};
  for (int32_t id = static_cast<int32_t>(threadIdx.x); id < vocab; id += kThreads)
    if (IsAllowed(row, id))
      best =
          Likelier{}(best, {logits == nullptr ? Ordered(Penalized(row, id)) : logits[id], id, 0});
  return BlockJoin(best, Likelier{}).id;
}

QPKV_DEVICE int32_t Choose(const SampleRow& row, int vocab, double* logits, Candidate* sorted) {
  if (row.temperature <= 0 && row.bias_count == 0) return Greedy(row, vocab, nullptr);
  Adjust(row, vocab, logits);
  if (row.temperature <= 0) return Greedy(row, vocab, logits);
  const int most = row.top_k > 0 ? row.top_k : vocab;
  const int count = SortLikeliest(logits, vocab, most < vocab ? most : vocab, sorted,
                                  [&](int id) { return IsAllowed(row, id); });
  if (count == 0) return -1;
  return Draw(row, sorted, CutTail(row, sorted, count));
}

// Logarithms of the model's own probabilities.
QPKV_DEVICE void Report(const SampleRow& row, int vocab, double* logits, Candidate* sorted,
                        SampledToken* out) {
  const int me = static_cast<int>(threadIdx.x);
  float most = -Infinity();
  for (int id = me; id < vocab; id += kThreads) most = fmaxf(most, row.logits[id]);
  most = BlockMax(most);
  double sum = 0;
  for (int id = me; id < vocab; id += kThreads)
    sum += exp(static_cast<double>(row.logits[id]) - most);
  sum = BlockSum(sum);
  const auto logprob = [&](int32_t id) {
    return static_cast<float>(static_cast<double>(row.logits[id]) - most - log(sum));
  };
  if (me == 0 && out->id >= 0) out->logprob = logprob(out->id);
  int count = row.logprobs < kMostLogprobs ? row.logprobs : kMostLogprobs;
  count = count < vocab ? count : vocab;
  if (count == 0) return;
  for (int id = me; id < vocab; id += kThreads) logits[id] = Ordered(row.logits[id]);
  __syncthreads();
  SortLikeliest(logits, vocab, count, sorted, [](int) { return true; });
  for (int i = me; i < count; i += kThreads) {
    out->likeliest[i] = sorted[i].id;
    out->logprobs[i] = logprob(sorted[i].id);
  }
}

// A block per row. logits: [count, vocab]; sorted: [count, room].
__global__ void SampleKernel(SampleArgs a, double* logits, Candidate* sorted, int room) {
  const SampleRow& row = a.rows[blockIdx.x];
  SampledToken* out = a.out + blockIdx.x;
  logits += static_cast<size_t>(blockIdx.x) * a.vocab;
  sorted += static_cast<size_t>(blockIdx.x) * room;
  const int32_t id = Choose(row, a.vocab, logits, sorted);
  for (int i = static_cast<int>(threadIdx.x); i < kMostLogprobs; i += kThreads)
    out->likeliest[i] = 0, out->logprobs[i] = 0;
  if (threadIdx.x == 0) out->id = id, out->logprob = 0;
  __syncthreads();
  if (row.logprobs >= 0) Report(row, a.vocab, logits, sorted, out);
}

__global__ void CountKernel(CountTokensArgs a) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < a.count) atomicAdd(&a.counts[a.ids[i]], 1);
}

}  // namespace

void Sample(Stream& stream, const SampleArgs& a) {
  CudaStream& on = On(stream);
  if (a.count == 0) return;
  int room = 1;
  while (room < a.vocab) room *= 2;
  const size_t rows = static_cast<size_t>(a.count);
  double* logits = static_cast<double*>(on.Scratch(Slot::kSums, sizeof(double) * rows * a.vocab));
  Candidate* sorted =
      static_cast<Candidate*>(on.Scratch(Slot::kPartial, sizeof(Candidate) * rows * room));
  if (logits == nullptr || sorted == nullptr) return;
  QPKV_LAUNCH(on.queue, SampleKernel, a.count, kThreads, 0, a, logits, sorted, room);
}

void CountTokens(Stream& stream, const CountTokensArgs& a) {
  if (a.count > 0)
    QPKV_LAUNCH(On(stream).queue, CountKernel, BlocksFor(a.count, kThreads), kThreads, 0, a);
}

}  // namespace cuda
}  // namespace qpkv
