// Reference leverage: the system is solved for each key by elimination.
#include "ops/statistics/leverage.h"

#include "ops/random_numbers.h"
#include "reference/statistics/vectors.h"

namespace qpkv {
namespace reference {
namespace leverage {
namespace {

using namespace statistics::leverage;
using Matrix = std::vector<std::vector<double>>;

// Solves a x = b for a symmetric positive a.
std::vector<double> Solve(Matrix a, std::vector<double> b) {
  const size_t n = b.size();
  for (size_t i = 0; i < n; ++i)
    for (size_t row = i + 1; row < n; ++row) {
      const double factor = a[row][i] / a[i][i];
      for (size_t j = i; j < n; ++j) a[row][j] -= factor * a[i][j];
      b[row] -= factor * b[i];
    }
  for (size_t i = n; i-- > 0;) {
    for (size_t j = i + 1; j < n; ++j) b[i] -= a[i][j] * b[j];
    b[i] /= a[i][i];
  }
  return b;
}

// The rows whose leverage is asked for: keys, or their projections.
Matrix RowsOf(const StatisticArgs& args, int head, int first, int end) {
  const double* options = args.options.get();
  const size_t dim = static_cast<size_t>(args.shape.dim),
               width = static_cast<size_t>(options[kSketch]);
  Matrix rows;
  for (int t = first; t < end; ++t) {
    const std::vector<double> key = RowOf(args, args.k_before, head, t);
    rows.push_back(key);
    if (width == 0) continue;
    rows.back().assign(width, 0.0);
    for (size_t i = 0; i < dim; ++i)
      for (size_t j = 0; j < width; ++j)
        rows.back()[j] += key[i] *
                          NormalNumber(static_cast<uint64_t>(options[kSeed]),
                                       (static_cast<size_t>(head) * dim + i) * width + j) /
                          std::sqrt(static_cast<double>(width));
  }
  return rows;
}

void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  const double* options = args.options.get();
  const int first = static_cast<int>(options[kFirst]),
            end = args.shape.tokens - static_cast<int>(options[kLast]);
  for (int head = 0; head < args.shape.kv_heads && first < end; ++head) {
    Matrix x = RowsOf(args, head, first, end);
    const size_t width = x.front().size();
    for (size_t i = 0; i < width; ++i) {
      double mean = 0;
      for (const auto& row : x) mean += row[i] / static_cast<double>(x.size());
      for (auto& row : x) row[i] -= mean;
    }
    Matrix gram(width, std::vector<double>(width, 0.0));
    for (size_t i = 0; i < width; ++i)
      for (size_t j = 0; j < width; ++j) {
        gram[i][j] = i == j ? options[kRidge] : 0;
        for (const auto& row : x) gram[i][j] += row[i] * row[j];
      }
    for (int t = first; t < end; ++t) {
      const std::vector<double>& row = x[static_cast<size_t>(t - first)];
      args.out[static_cast<size_t>(head) * args.shape.tokens + t] =
          static_cast<float>(Inner(row, Solve(gram, row)));
    }
  }
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, nullptr, nullptr, Run};

}  // namespace leverage
}  // namespace reference
}  // namespace qpkv
