// leverage: x (X^T X + ridge I)^-1 x^T of each centred key, or of its random projections: the
// squared length of L^-1 x, where L is the Cholesky factor. Sums and factor are in double.
#pragma once
#include "ops/random_numbers.h"
#include "ops/statistics/leverage.h"

namespace qpkv {
namespace {
namespace leverage {

using namespace statistics::leverage;

// One head at work: `tokens` rows x [tokens, width], from the keys [tokens, dim].
struct Head {
  const float* keys;
  int tokens, dim, width;
  const float* sketch;  // [dim, width] or null: the channels themselves
  float* x;
  double *mean, *factor;  // [width], [width, width]
};

void Project(Stream& stream, const Head& head) {
  stream.ParallelFor(head.tokens, [&](int t, int) {
    const float* key = head.keys + static_cast<size_t>(t) * head.dim;
    float* x = head.x + static_cast<size_t>(t) * head.width;
    for (int j = 0; j < head.width; ++j) {
      if (!head.sketch) {
        x[j] = key[j];
        continue;
      }
      double sum = 0;
      for (int i = 0; i < head.dim; ++i)
        sum += static_cast<double>(key[i]) * head.sketch[static_cast<size_t>(i) * head.width + j];
      x[j] = static_cast<float>(sum);
    }
  });
}

// X^T X + ridge I of the centred rows; x is centred in place.
void CentreAndMultiply(Stream& stream, const Head& head, double ridge) {
  const int width = head.width;
  stream.ParallelFor(width, [&](int i, int) {
    double sum = 0;
    for (int t = 0; t < head.tokens; ++t) sum += head.x[static_cast<size_t>(t) * width + i];
    head.mean[i] = sum / head.tokens;
  });
  stream.ParallelFor(head.tokens, [&](int t, int) {
    for (int i = 0; i < width; ++i) {
      float& x = head.x[static_cast<size_t>(t) * width + i];
      x = static_cast<float>(x - head.mean[i]);
    }
  });
  stream.ParallelFor(width, [&](int i, int) {
    double* row = head.factor + static_cast<size_t>(i) * width;
    for (int j = 0; j <= i; ++j) row[j] = i == j ? ridge : 0;
    for (int t = 0; t < head.tokens; ++t) {
      const float* x = head.x + static_cast<size_t>(t) * width;
      for (int j = 0; j <= i; ++j) row[j] += static_cast<double>(x[i]) * x[j];
    }
  });
}

// The lower factor in place of the lower triangle.
void Factor(double* a, int width) {
  for (int i = 0; i < width; ++i)
    for (int j = 0; j <= i; ++j) {
      double sum = a[static_cast<size_t>(i) * width + j];
      for (int k = 0; k < j; ++k)
        sum -= a[static_cast<size_t>(i) * width + k] * a[static_cast<size_t>(j) * width + k];
      a[static_cast<size_t>(i) * width + j] =
          i == j ? __builtin_sqrt(sum) : sum / a[static_cast<size_t>(j) * width + j];
    }
}

void Score(Stream& stream, const Head& head, float* scores) {
  const int width = head.width;
  stream.ParallelFor(head.tokens, [&](int t, int) {
    double y[256], total = 0;
    for (int i = 0; i < width; ++i) {
      const double* row = head.factor + static_cast<size_t>(i) * width;
      double sum = head.x[static_cast<size_t>(t) * width + i];
      for (int j = 0; j < i; ++j) sum -= row[j] * y[j];
      y[i] = sum / row[i];
      total += y[i] * y[i];
    }
    scores[t] = static_cast<float>(total);
  });
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  const double* options = args.options.get();
  const StatisticShape& shape = args.shape;
  const int first = static_cast<int>(options[kFirst]);
  const int tokens = shape.tokens - first - static_cast<int>(options[kLast]);
  const int projections = static_cast<int>(options[kSketch]);
  const int width = projections > 0 ? projections : shape.dim;
  if (tokens <= 0) return;
  const size_t doubles = static_cast<size_t>(width) * (width + 1);
  const size_t sketch_floats = static_cast<size_t>(shape.dim) * width;
  double* shared = static_cast<double*>(
      stream.SharedScratch(sizeof(double) * doubles +
                           sizeof(float) * (sketch_floats + static_cast<size_t>(tokens) * width)));
  float* sketch = reinterpret_cast<float*>(shared + doubles);
  for (int h = 0; h < shape.kv_heads; ++h) {
    for (size_t i = 0; i < sketch_floats && projections > 0; ++i)
      sketch[i] = static_cast<float>(
          NormalNumber(static_cast<uint64_t>(options[kSeed]), h * sketch_floats + i) /
          __builtin_sqrt(static_cast<double>(width)));
    const Head head = {args.k_before + (static_cast<size_t>(h) * args.capacity + first) * shape.dim,
                       tokens,
                       shape.dim,
                       width,
                       projections > 0 ? sketch : nullptr,
                       sketch + sketch_floats,
                       shared,
                       shared + width};
    Project(stream, head);
    CentreAndMultiply(stream, head, options[kRidge]);
    Factor(head.factor, width);
    Score(stream, head, args.out + static_cast<size_t>(h) * shape.tokens + first);
  }
}

constexpr Statistic kStatistic = {&kAbout, nullptr, nullptr, Run};

}  // namespace leverage
}  // namespace
}  // namespace qpkv
