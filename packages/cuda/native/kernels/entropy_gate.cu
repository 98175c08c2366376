// See entropy_gate.h.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/entropy_gate.h"

namespace qpkv {
namespace cuda {
namespace {

using Row = std::vector<double>;

// Indices from the highest value down; of equal ones the lower first.
std::vector<size_t> Descending(const Row& x) {
  std::vector<size_t> order(x.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return x[a] > x[b]; });
  return order;
}

double SumOf(const Row& x) { return std::accumulate(x.begin(), x.end(), 0.0); }
double Median(const Row& x) { return x[Descending(x)[x.size() / 2]]; }

// Of the values as a distribution, over that of equal ones.
double Entropy(Row x) {
  if (x.size() < 2) return 0;
  const double low = std::min(0.0, *std::min_element(x.begin(), x.end()));
  for (double& v : x) v -= low;
  const double sum = SumOf(x) + 1e-10;
  double entropy = 0;
  for (double v : x) entropy -= v / sum * std::log(v / sum + 1e-10);
  return std::min(1.0, std::max(0.0, entropy / std::log(static_cast<double>(x.size()))));
}

// Tokens in the order in which they are taken become scores.
void Gate(size_t block, size_t rescue, float* row, size_t count) {
  const Row x(row, row + count);
  if (std::isnan(SumOf(x))) {
    std::fill_n(row, count, std::nanf(""));
    return;
  }
  std::vector<Row> blocks;
  Row means, entropies;
  for (size_t begin = 0; begin < count; begin += block) {
    const size_t end = std::min(count, begin + block);
    blocks.emplace_back(x.begin() + static_cast<long>(begin), x.begin() + static_cast<long>(end));
    means.push_back(static_cast<float>(SumOf(blocks.back()) / static_cast<double>(end - begin)));
    entropies.push_back(static_cast<float>(Entropy(blocks.back())));
  }
  const double usual_mean = Median(means), usual_entropy = Median(entropies);
  std::vector<size_t> taken;
  std::vector<bool> is_taken(count);
  const auto take = [&](size_t t) {
    if (is_taken[t]) return;
    is_taken[t] = true;
    taken.push_back(t);
  };
  for (size_t b : Descending(means)) {
    const std::vector<size_t> best = Descending(blocks[b]);
    const bool spiky = means[b] >= usual_mean && entropies[b] < usual_entropy;
    const size_t wanted = spiky ? std::min(rescue, best.size()) : best.size();
    for (size_t i = 0; i < wanted; ++i) take(b * block + best[i]);
  }
  for (size_t t : Descending(x)) take(t);
  for (size_t i = 0; i < count; ++i) row[taken[i]] = static_cast<float>(count - i);
}

}  // namespace

void EntropyGate(CudaStream& on, const ScoreOperationArgs& a) {
  using namespace score_ops::entropy_gate;
  std::vector<float> scores(static_cast<size_t>(a.rows) * a.tokens);
  on.queue.CopyOut(scores.data(), a.of[0], scores.size() * sizeof(float));
  const int begin = std::min(static_cast<int>(a.options[kSkipFirst]), a.scored);
  for (int row = 0; begin < a.scored && row < a.rows; ++row)
    Gate(static_cast<size_t>(a.options[kBlock]), static_cast<size_t>(a.options[kRescue]),
         scores.data() + static_cast<size_t>(row) * a.tokens + begin,
         static_cast<size_t>(a.scored - begin));
  on.queue.CopyIn(a.out, scores.data(), scores.size() * sizeof(float));
}

}  // namespace cuda
}  // namespace qpkv
