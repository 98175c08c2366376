// Transform of ops/tensor_format.h, value by value in double.
#pragma once
#include <cmath>
#include <vector>

#include "ops/ops.h"

namespace qpkv {
namespace reference {

inline void Rotate(int dim, std::vector<double>* x) {
  const int run = RotatedRun(dim);
  const std::vector<double> from = *x;
  for (int c = 0; c < dim; ++c) {
    double sum = 0;
    for (int j = 0; j < run; ++j) {
      bool odd = false;
      for (int bits = c % run & j; bits != 0; bits >>= 1) odd ^= bits & 1;
      const double value = from[static_cast<size_t>(c / run * run + j)];
      sum += odd ? -value : value;
    }
    (*x)[static_cast<size_t>(c)] = sum / std::sqrt(static_cast<double>(run));
  }
}

// x: [dim] of one head. means: [dim] or null.
inline void Store(const Transform& t, const float* means, int dim, std::vector<double>* x) {
  for (int c = 0; c < dim; ++c) {
    double& value = (*x)[static_cast<size_t>(c)];
    if (means) value = static_cast<float>(value - means[c]);  // what is left is float32
    if (t.rotate && t.signs) value *= t.signs[c];
  }
  if (t.rotate) Rotate(dim, x);
}

// The inverse.
inline void Restore(const Transform& t, const float* means, int dim, std::vector<double>* x) {
  if (t.rotate) Rotate(dim, x);
  for (int c = 0; c < dim; ++c) {
    double& value = (*x)[static_cast<size_t>(c)];
    if (t.rotate && t.signs) value *= t.signs[c];
    if (means) value += means[c];
  }
}

// [dim] of a row as it is stored.
inline std::vector<float> StoredRow(const Transform& t, const float* means, const float* row,
                                    int dim) {
  std::vector<double> x(row, row + dim);
  if (!t.none()) Store(t, means, dim, &x);
  return std::vector<float>(x.begin(), x.end());
}

}  // namespace reference
}  // namespace qpkv
