// Reference expected-attention: the queries are kept; then moments, rotations and logits one by
// one.
#include "ops/statistics/expected_attention.h"

#include <algorithm>

#include "reference/statistics/vectors.h"

namespace qpkv {
namespace reference {
namespace expected_attention {
namespace {

using namespace statistics::expected_attention;
using Matrix = std::vector<std::vector<double>>;

size_t StateBytes(const StatisticShape& shape, const double*) {
  return sizeof(float) * shape.tokens * shape.q_heads * shape.dim;
}

// The mean over later positions of the matrix that rotates a vector, [dim, dim].
Matrix MeanRotation(const StatisticArgs& args) {
  const int dim = args.shape.dim, future = static_cast<int>(args.options.get()[kFuture]);
  Matrix rotation(static_cast<size_t>(dim), std::vector<double>(static_cast<size_t>(dim), 0.0));
  const int half = args.rotary_dim / 2;
  for (int i = args.rotary_dim; i < dim; ++i) rotation[i][i] = 1;  // these are not rotated
  for (int p = args.shape.tokens; p < args.shape.tokens + future; ++p)
    for (int i = 0; i < half; ++i) {
      const double angle = static_cast<double>(p) * args.inv_freq[i];
      const double c = std::cos(angle) * args.rope_scale / future,
                   s = std::sin(angle) * args.rope_scale / future;
      rotation[i][i] += c;
      rotation[i + half][i + half] += c;
      rotation[i][i + half] -= s;
      rotation[i + half][i] += s;
    }
  return rotation;
}

std::vector<double> Times(const Matrix& m, const std::vector<double>& x) {
  std::vector<double> out;
  for (const std::vector<double>& row : m) out.push_back(Inner(row, x));
  return out;
}

Matrix Transposed(const Matrix& m) {
  Matrix out(m.size(), std::vector<double>(m.size()));
  for (size_t i = 0; i < m.size(); ++i)
    for (size_t j = 0; j < m.size(); ++j) out[j][i] = m[i][j];
  return out;
}

// a b^T, row by row.
Matrix TimesTransposed(const Matrix& a, const Matrix& b) {
  Matrix out;
  for (const std::vector<double>& row : a) out.push_back(Times(b, row));
  return out;
}

void FinishHead(const StatisticArgs& args, const Matrix& rotation, int head,
                const Matrix& queries) {
  const size_t dim = static_cast<size_t>(args.shape.dim);
  std::vector<double> mean(dim, 0.0);
  Matrix covariance(dim, std::vector<double>(dim, 0.0));
  for (const std::vector<double>& q : queries)
    for (size_t i = 0; i < dim; ++i) mean[i] += q[i] / static_cast<double>(queries.size());
  for (const std::vector<double>& q : queries)
    for (size_t i = 0; i < dim; ++i)
      for (size_t j = 0; j < dim; ++j)
        covariance[i][j] +=
            (q[i] - mean[i]) * (q[j] - mean[j]) / static_cast<double>(queries.size());
  const std::vector<double> rotated = Times(rotation, mean);
  // rotation C rotation^T
  const Matrix spread =
      TimesTransposed(TimesTransposed(rotation, Transposed(covariance)), rotation);
  const int group = args.shape.q_heads / args.shape.kv_heads;
  for (int t = 0; t < args.shape.tokens; ++t) {
    const std::vector<double> key = RowOf(args, args.k, head / group, t);
    double logit = Inner(key, rotated) * args.scale;
    if (args.options.get()[kCovariance] != 0)
      logit += Inner(key, Times(spread, key)) * args.scale * args.scale / 2;
    args.out[static_cast<size_t>(head) * args.shape.tokens + t] = static_cast<float>(logit);
  }
}

void Run(Stream&, const StatisticArgs& args) {
  const int dim = args.shape.dim;
  const size_t width = static_cast<size_t>(args.shape.q_heads) * dim;
  float* kept = static_cast<float*>(args.state);
  if (args.stage == StatisticStage::kChunk) {
    std::copy_n(args.q_before, args.rows * width, kept + args.first * width);
    return;
  }
  const Matrix rotation = MeanRotation(args);
  for (int head = 0; head < args.shape.q_heads; ++head) {
    Matrix queries;
    for (int t = static_cast<int>(args.options.get()[kSinks]); t < args.shape.tokens; ++t) {
      const float* q = kept + t * width + static_cast<size_t>(head) * dim;
      queries.emplace_back(q, q + dim);
    }
    FinishHead(args, rotation, head, queries);
  }
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, nullptr, StateBytes, Run};

}  // namespace expected_attention
}  // namespace reference
}  // namespace qpkv
