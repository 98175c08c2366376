// Rows of keys and values as vectors of double.
#pragma once
#include <cmath>
#include <numeric>
#include <vector>

#include "ops/statistic.h"

namespace qpkv {
namespace reference {

// One row of [kv_heads, capacity, dim].
inline std::vector<double> RowOf(const StatisticArgs& args, const float* rows, int head,
                                 int token) {
  const float* row = rows + (static_cast<size_t>(head) * args.capacity + token) * args.shape.dim;
  return {row, row + args.shape.dim};
}

inline double Inner(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

inline double Norm(const std::vector<double>& x) { return std::sqrt(Inner(x, x)); }

}  // namespace reference
}  // namespace qpkv
