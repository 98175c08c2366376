// Two-sided variance normalization of a part (arXiv 2606.03458): rows are what has scales (channels
// with scales per channel, tokens per token), columns the others. In turn the columns' and the
// rows' factors are multiplied by the standard deviations (unbiased, over what is there; 1 over a
// single value) of the values that they divide, these held within 1e-3 and 1e3 and factors within
// kLeastBalance and kMostBalance. Of all steps, and no step, the last one counts whose imbalance is
// least: the largest by the smallest deviation of columns, and the same of rows.
//
// Rows' factors only serve to find the columns': a row's scale takes them in anyway.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/tile_layout.h"

namespace qpkv {
namespace reference {

struct BalanceMatrix {
  int rows, columns;
  std::vector<double> x;  // [rows, columns]
};

// Deviations of the columns (or rows) of x / (row_factor * column_factor).
inline std::vector<double> Deviations(const BalanceMatrix& m, const std::vector<double>& row_factor,
                                      const std::vector<double>& column_factor, bool of_columns) {
  const int lines = of_columns ? m.columns : m.rows, along = of_columns ? m.rows : m.columns;
  std::vector<double> found;
  for (int line = 0; line < lines; ++line) {
    const auto at = [&](int i) {
      const int row = of_columns ? i : line, column = of_columns ? line : i;
      return m.x[static_cast<size_t>(row) * m.columns + column] / column_factor[column] /
             row_factor[row];
    };
    double sum = 0, squares = 0;
    for (int i = 0; i < along; ++i) sum += at(i);
    for (int i = 0; i < along; ++i) squares += (at(i) - sum / along) * (at(i) - sum / along);
    found.push_back(along < 2 ? 1.0 : std::sqrt(squares / (along - 1)));
  }
  return found;
}

inline double Imbalance(const std::vector<double>& columns, const std::vector<double>& rows) {
  const auto of = [](const std::vector<double>& all) {
    return *std::max_element(all.begin(), all.end()) /
           std::max(*std::min_element(all.begin(), all.end()), 1e-8);
  };
  return of(columns) + of(rows);
}

// [columns] factors.
inline std::vector<double> FindBalance(const BalanceMatrix& m, int steps) {
  std::vector<double> rows(m.rows, 1.0), columns(m.columns, 1.0), best = columns;
  const auto advance = [](const std::vector<double>& deviations, std::vector<double>* factors) {
    for (size_t i = 0; i < factors->size(); ++i)
      (*factors)[i] =
          std::clamp((*factors)[i] * std::clamp(deviations[i], 1e-3, 1e3),
                     static_cast<double>(kLeastBalance), static_cast<double>(kMostBalance));
  };
  const auto imbalance = [&] {
    return Imbalance(Deviations(m, rows, columns, true), Deviations(m, rows, columns, false));
  };
  double least = imbalance();
  for (int step = 0; step < steps; ++step) {
    advance(Deviations(m, rows, columns, true), &columns);
    advance(Deviations(m, rows, columns, false), &rows);
    const double found = imbalance();
    if (found > least) continue;
    least = found;
    best = columns;
  }
  return best;
}

}  // namespace reference
}  // namespace qpkv
