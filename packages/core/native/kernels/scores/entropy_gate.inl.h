// entropy-gate: the order in which blocks of tokens are taken, as a score. One sort over blocks by
// their mean, one over the tokens of each block, one over what is left.
#pragma once
#include <math.h>

#include "kernels/select.inl.h"

namespace qpkv {
namespace {

// Sorts descending by value, of equal ones the lower index first. order: [count] words.
template <class Value>
QPKV_INLINE void SortDescending(const Value& value, int count, uint64_t* order) {
  for (int i = 0; i < count; ++i)
    order[i] = static_cast<uint64_t>(~SortKey(value(i))) << 32 | static_cast<uint32_t>(i);
  SortWords(order, count);
}
QPKV_INLINE int IndexOf(uint64_t word) { return static_cast<int>(word & 0xffffffffu); }

// Entropy of a block's worth over the most that its length allows: 0 for one token, 1 where all are
// worth the same. Worth below 0 is counted from the lowest.
double BlockEntropy(const float* x, int count) {
  constexpr double kTiny = 1e-10;
  if (count < 2) return 0;
  double low = 0, sum = 0, entropy = 0;
  for (int i = 0; i < count; ++i) low = x[i] < low ? x[i] : low;
  for (int i = 0; i < count; ++i) sum += x[i] - low;
  for (int i = 0; i < count; ++i) {
    const double p = (x[i] - low) / (sum + kTiny);
    entropy -= p * ::log(p + kTiny);
  }
  entropy /= ::log(static_cast<double>(count));
  return entropy < 0 ? 0 : entropy > 1 ? 1 : entropy;
}

// Of an even number the lower one of the middle. order: [count] words.
QPKV_INLINE float MedianOf(const float* x, int count, uint64_t* order) {
  SortDescending([&](int i) { return x[i]; }, count, order);
  return x[IndexOf(order[count / 2])];
}

struct EntropyGate {
  int count, block, rescue;
  const float* x;  // [count]
  float* out;
  // Scratch: [blocks] of each, and words for the sorts.
  float *means, *entropies;
  uint64_t *by_mean, *order;
};

// NaN in a block would leave no order: all of the row become NaN, which the selection refuses.
bool HoldsNan(const float* x, int count) {
  for (int i = 0; i < count; ++i)
    if (x[i] != x[i]) return true;
  return false;
}

void GateRow(const EntropyGate& gate) {
  const int blocks = (gate.count + gate.block - 1) / gate.block;
  if (HoldsNan(gate.x, gate.count)) {
    for (int t = 0; t < gate.count; ++t) gate.out[t] = __builtin_nanf("");
    return;
  }
  const auto length = [&](int b) {
    return gate.count - b * gate.block < gate.block ? gate.count - b * gate.block : gate.block;
  };
  for (int b = 0; b < blocks; ++b) {
    const float* own = gate.x + static_cast<size_t>(b) * gate.block;
    double sum = 0;
    for (int i = 0; i < length(b); ++i) sum += own[i];
    gate.means[b] = static_cast<float>(sum / length(b));
    gate.entropies[b] = static_cast<float>(BlockEntropy(own, length(b)));
  }
  const float mean = MedianOf(gate.means, blocks, gate.order);
  const float entropy = MedianOf(gate.entropies, blocks, gate.order);
  SortDescending([&](int b) { return gate.means[b]; }, blocks, gate.by_mean);
  for (int t = 0; t < gate.count; ++t) gate.out[t] = 0;
  float place = static_cast<float>(gate.count);
  for (int i = 0; i < blocks; ++i) {
    const int b = IndexOf(gate.by_mean[i]), begin = b * gate.block;
    SortDescending([&](int t) { return gate.x[begin + t]; }, length(b), gate.order);
    const bool spiky = gate.means[b] >= mean && gate.entropies[b] < entropy;
    const int taken = spiky && gate.rescue < length(b) ? gate.rescue : length(b);
    for (int t = 0; t < taken; ++t) gate.out[begin + IndexOf(gate.order[t])] = place--;
  }
  SortDescending([&](int t) { return gate.x[t]; }, gate.count, gate.order);
  for (int i = 0; i < gate.count; ++i) {
    float* rest = gate.out + IndexOf(gate.order[i]);
    if (*rest == 0) *rest = place--;
  }
}

void EntropyGateRows(Stream& stream, const ScoreOperationArgs& args) {
  using namespace score_ops::entropy_gate;
  const ScoredRange range = RangeOf(args, kSkipFirst);
  const int count = range.end - range.begin;
  const double wanted = args.options[kBlock], rescue = args.options[kRescue];
  const int block = wanted < count ? static_cast<int>(wanted) : count > 0 ? count : 1;
  const size_t blocks = static_cast<size_t>((count + block - 1) / block);
  stream.ParallelFor(args.rows, [&](int row, int thread) {
    const float* from = args.of[0] + static_cast<size_t>(row) * args.tokens;
    float* to = args.out + static_cast<size_t>(row) * args.tokens;
    CopyOutside(from, args.tokens, range, to);
    if (count <= 0) return;
    const size_t words = blocks + static_cast<size_t>(count);
    uint64_t* scratch = static_cast<uint64_t*>(
        stream.Scratch(thread, sizeof(uint64_t) * words + 2 * sizeof(float) * blocks));
    float* numbers = reinterpret_cast<float*>(scratch + words);
    GateRow({count, block, rescue < count ? static_cast<int>(rescue) : count, from + range.begin,
             to + range.begin, numbers, numbers + blocks, scratch, scratch + blocks});
  });
}

}  // namespace
}  // namespace qpkv
