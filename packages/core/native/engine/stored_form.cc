// See stored_form.h.
#include "engine/stored_form.h"

#include <cmath>

namespace qpkv {
namespace {

void Rotate(int dim, double* x) {
  const int run = RotatedRun(dim);
  for (int half = 1; half < run; half *= 2)
    for (int c = 0; c < dim; ++c) {
      if ((c & half) != 0) continue;
      const double a = x[c], b = x[c + half];
      x[c] = a + b;
      x[c + half] = a - b;
    }
  for (int c = 0; c < dim; ++c) x[c] /= std::sqrt(static_cast<double>(run));
}

}  // namespace

void RestoreValues(const StoredForm& form, const std::vector<float>& means, int dim,
                   std::vector<float>* values) {
  if (form.none()) return;
  const size_t width = static_cast<size_t>(dim);
  std::vector<double> row(width);
  for (size_t first = 0; first < values->size(); first += width) {
    row.assign(values->begin() + static_cast<long>(first),
               values->begin() + static_cast<long>(first + width));
    if (form.rotate) Rotate(dim, row.data());
    for (size_t c = 0; c < width; ++c) {
      double value = row[c];
      if (!form.signs.empty()) value *= form.signs[c];
      if (!means.empty()) value += means[c];
      (*values)[first + c] = static_cast<float>(value);
    }
  }
}

}  // namespace qpkv
