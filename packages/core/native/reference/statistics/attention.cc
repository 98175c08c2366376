// Reference attention statistic: the queries are kept, and at the end each gives its probabilities.
#include "ops/statistics/attention.h"

#include "ops/observing_queries.h"
#include "reference/statistics/naive_attention.h"

namespace qpkv {
namespace reference {
namespace attention {
namespace {

using statistics::attention::Mask;
using statistics::attention::Reduce;

// Resolved options: begin, end, block or -1, reduction.
double Resolve(const StatisticFacts& facts, const double* given, double* resolved) {
  using namespace statistics::attention;
  const ObservingQueries queries =
      ResolveQueries(facts, given[kQueriesLast], given[kQueriesBeforeUserEnd]);
  resolved[0] = queries.begin;
  resolved[1] = queries.end;
  resolved[2] = static_cast<Mask>(given[kMask]) == Mask::kWindowBlock ? facts.protect_last : -1;
  resolved[3] = given[kReduce];
  return 1;
}

size_t StateBytes(const StatisticShape& shape, const double*) {
  return sizeof(float) * shape.tokens * shape.q_heads * shape.dim;
}

double Reduced(const std::vector<double>& p, Reduce reduce) {
  double sum = 0, most = 0, entropy = 0, squares = 0;
  for (double x : p) {
    sum += x;
    most = std::max(most, x);
    entropy -= x * std::log(x + 1e-10);
  }
  const double count = static_cast<double>(p.size()), mean = sum / count;
  for (double x : p) squares += (x - mean) * (x - mean);
  switch (reduce) {
    case Reduce::kMean:
      return mean;
    case Reduce::kMax:
      return most;
    case Reduce::kVariance:
      return squares / count;
    case Reduce::kEntropy:
      return entropy;
    default:
      return sum;
  }
}

void Run(Stream&, const StatisticArgs& args) {
  const StatisticShape& shape = args.shape;
  const size_t width = static_cast<size_t>(shape.q_heads) * shape.dim;
  float* kept = static_cast<float*>(args.state);
  if (args.stage == StatisticStage::kChunk) {
    for (int row = 0; row < args.rows; ++row)
      std::copy_n(args.q + static_cast<size_t>(row) * args.q_stride, width,
                  kept + (args.first + row) * width);
    return;
  }
  const int begin = static_cast<int>(args.options.get()[0]),
            end = static_cast<int>(args.options.get()[1]);
  for (int head = 0; head < shape.q_heads; ++head) {
    std::vector<std::vector<double>> received(static_cast<size_t>(shape.tokens));
    for (int position = begin; position < end; ++position) {
      const std::vector<double> p =
          Probabilities(args, kept + position * width + static_cast<size_t>(head) * shape.dim, head,
                        position, static_cast<int>(args.options.get()[2]));
      for (int t = 0; t < shape.tokens; ++t) received[t].push_back(p[t]);
    }
    for (int t = 0; t < shape.tokens; ++t)
      args.out[static_cast<size_t>(head) * shape.tokens + t] =
          static_cast<float>(Reduced(received[t], static_cast<Reduce>(args.options.get()[3])));
  }
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::attention::kAbout, Resolve, StateBytes, Run};

}  // namespace attention
}  // namespace reference
}  // namespace qpkv
