// partition-spread: tokens scaled channel by channel by the range that the next partition has
// there; the deviation over channels, as softmax within the token's own partition. A channel that
// is constant in the next partition says nothing and counts as 0.
#pragma once
#include <math.h>

#include "ops/statistics/partition_spread.h"

namespace qpkv {
namespace {
namespace partition_spread {

using namespace statistics::partition_spread;

// The deviation (divided by dim - 1) of one token's scaled channels.
QPKV_INLINE float Spread(const float* x, const float* low, const float* inverse, int dim) {
  F32x16 sum = Zero(), squares = Zero();
  for (int i = 0; i < dim; i += 16)
    sum = Add(
        sum, Mul(Sub(LoadN(x + i, dim - i), LoadN(low + i, dim - i)), LoadN(inverse + i, dim - i)));
  const float mean = ReduceAdd(sum) / static_cast<float>(dim);
  for (int i = 0; i < dim; i += 16) {
    const F32x16 scaled =
        Mul(Sub(LoadN(x + i, dim - i), LoadN(low + i, dim - i)), LoadN(inverse + i, dim - i));
    const F32x16 d = Select(FirstN(dim - i), Sub(scaled, Set(mean)), Zero());
    squares = Fma(d, d, squares);
  }
  return __builtin_sqrtf(ReduceAdd(squares) / static_cast<float>(dim - 1));
}

// Scores `lag` tokens from x on by the `lag` tokens behind them.
void ScorePartition(const float* x, int lag, int dim, float* scores) {
  float low[256], inverse[256];
  const float* next = x + static_cast<size_t>(lag) * dim;
  for (int i = 0; i < dim; ++i) {
    float high = next[i];
    low[i] = next[i];
    for (int t = 1; t < lag; ++t) {
      const float y = next[static_cast<size_t>(t) * dim + i];
      low[i] = y < low[i] ? y : low[i];
      high = y > high ? y : high;
    }
    inverse[i] = high > low[i] ? 1.0f / (high - low[i]) : 0.0f;
  }
  float most = 0;
  for (int t = 0; t < lag; ++t) {
    scores[t] = Spread(x + static_cast<size_t>(t) * dim, low, inverse, dim);
    most = scores[t] > most ? scores[t] : most;
  }
  double sum = 0;
  for (int t = 0; t < lag; ++t) sum += scores[t] = ::expf(scores[t] - most);
  for (int t = 0; t < lag; ++t) scores[t] = static_cast<float>(scores[t] / sum);
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  const double* options = args.options.get();
  const int tokens = args.shape.tokens, dim = args.shape.dim;
  const int sinks = static_cast<int>(options[kSinks]), lag = static_cast<int>(options[kLag]);
  const float* rows = static_cast<Of>(options[kOf]) == Of::kKeys ? args.k : args.v;
  // Partitions with one behind them.
  const int scored = tokens >= sinks + 2 * lag ? (tokens - sinks) / lag - 1 : 0;
  for (int i = 0; i < args.shape.kv_heads * tokens; ++i) args.out[i] = 1.0f;
  stream.ParallelFor(args.shape.kv_heads * scored, [&](int unit, int) {
    const int head = unit / scored, begin = sinks + unit % scored * lag;
    ScorePartition(rows + (static_cast<size_t>(head) * args.capacity + begin) * dim, lag, dim,
                   args.out + static_cast<size_t>(head) * tokens + begin);
  });
}

constexpr Statistic kStatistic = {&kAbout, nullptr, nullptr, Run};

}  // namespace partition_spread
}  // namespace
}  // namespace qpkv
