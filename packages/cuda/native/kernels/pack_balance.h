// Two-sided variance normalization of a part, as core's reference/balance.h describes it: in turn
// the factors of columns (what has no scales) and of rows are multiplied by the deviations of the
// values that they divide; the columns' factors of the best step are kept. In double; a thread per
// line.
#pragma once
#include "kernels/pack_scales.h"
#include "kernels/transform.h"

namespace qpkv {
namespace cuda {

struct Lines {
  const PackWork* w;
  double *rows, *columns;  // factors [kMostDim], in shared memory

  QPKV_ON_DEVICE int Count(bool of_columns) const {
    return of_columns == w->PerChannel() ? w->item->tokens : w->dim;
  }
  // Value i of a line, divided by both factors.
  QPKV_ON_DEVICE double At(bool of_columns, int line, int i) const {
    const int row = of_columns ? i : line, column = of_columns ? line : i;
    const int cell = w->PerChannel() ? column * w->dim + row : row * w->dim + column;
    return static_cast<double>(w->Exact(cell)) / columns[column] / rows[row];
  }
  QPKV_ON_DEVICE double Deviation(bool of_columns, int line) const {
    const int along = Count(!of_columns);
    if (along < 2) return 1;
    double sum = 0, squares = 0;
    for (int i = 0; i < along; ++i) sum += At(of_columns, line, i);
    const double mean = sum / along;
    for (int i = 0; i < along; ++i) {
      const double d = At(of_columns, line, i) - mean;
      squares += d * d;
    }
    return sqrt(squares / (along - 1));
  }
};

struct Smallest {
  QPKV_ON_DEVICE double operator()(double a, double b) const { return a < b ? a : b; }
};

QPKV_DEVICE double HeldWithin(double x, double least, double most) {
  return x < least ? least : x > most ? most : x;
}

// The largest by the smallest deviation. All threads.
QPKV_DEVICE double SpreadOfLines(const Lines& lines, bool of_columns) {
  double most = 0, least = 1e300;
  for (int i = static_cast<int>(threadIdx.x); i < lines.Count(of_columns); i += kPackThreads) {
    const double deviation = lines.Deviation(of_columns, i);
    most = most > deviation ? most : deviation;
    least = least < deviation ? least : deviation;
  }
  most = BlockMax(most);
  least = BlockJoin(least, Smallest{});
  return most / (least > 1e-8 ? least : 1e-8);
}

// All threads; ends with a barrier.
QPKV_DEVICE void Advance(const Lines& lines, bool of_columns) {
  double* factors = of_columns ? lines.columns : lines.rows;
  const int i = static_cast<int>(threadIdx.x), count = lines.Count(of_columns);
  const double deviation = i < count ? lines.Deviation(of_columns, i) : 1.0;
  __syncthreads();  // a line's factor is in the values of all its crossing lines
  if (i < count)
    factors[i] =
        HeldWithin(factors[i] * HeldWithin(deviation, 1e-3, 1e3), kLeastBalance, kMostBalance);
  __syncthreads();
}

// balance [tokens or dim], stored in the part too. All threads; ends with a barrier.
QPKV_DEVICE void FindBalance(const PackWork& w, float* balance) {
  QPKV_SHARED(double, rows, [kMostDim]);
  QPKV_SHARED(double, columns, [kMostDim]);
  const TensorFormat& format = w.item->format;
  const int me = static_cast<int>(threadIdx.x);
  const Lines lines = {&w, rows, columns};
  rows[me] = columns[me] = 1;
  double best = 1;
  __syncthreads();
  double least = SpreadOfLines(lines, true) + SpreadOfLines(lines, false);
  for (int step = 0; step < format.balance_steps; ++step) {
    Advance(lines, true);
    Advance(lines, false);
    const double found = SpreadOfLines(lines, true) + SpreadOfLines(lines, false);
    if (found > least) continue;
    least = found;
    best = columns[me];
  }
  if (me < lines.Count(true)) {
    balance[me] = StoredMetadata(format.metadata, static_cast<float>(best));
    StoreElement(format.metadata, w.item->part + w.item->at.balance, static_cast<size_t>(me),
                 balance[me]);
  }
  __syncthreads();
}

static_assert(kPackThreads >= kMostDim, "a thread per line");

}  // namespace cuda
}  // namespace qpkv
