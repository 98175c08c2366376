// Attention of single queries, naively, for the references of statistics.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/statistic.h"
#include "reference/dense_ops.h"

namespace qpkv {
namespace reference {

// Probabilities [tokens] of the query at `position` of one head, whose vector is q; 0 where it does
// not see a key. block: see ObservedRows of the kernels.
inline std::vector<double> Probabilities(const StatisticArgs& args, const float* q, int head,
                                         int position, int block = -1) {
  const StatisticShape& shape = args.shape;
  const int group = shape.q_heads / shape.kv_heads;
  const bool all = block >= 0 && position < shape.tokens - block;
  const int begin = shape.window > 0 ? std::max(0, position + 1 - shape.window) : 0;
  const int end = all ? shape.tokens : position + 1;
  std::vector<double> logits;
  for (int t = begin; t < end; ++t) {
    const float* key = args.k + (static_cast<size_t>(head / group) * args.capacity + t) * shape.dim;
    double sum = 0;
    for (int i = 0; i < shape.dim; ++i)
      sum += Factor(q[i], args.precision) * Factor(key[i], args.precision);
    logits.push_back(Capped(sum * args.scale, shape.cap));
  }
  double lse = 0;
  const std::vector<double> seen = Softmax(logits, &lse);
  std::vector<double> p(static_cast<size_t>(shape.tokens), 0.0);
  std::copy(seen.begin(), seen.end(), p.begin() + begin);
  return p;
}

}  // namespace reference
}  // namespace qpkv
