// Reference joined-attention.
#include "ops/statistics/joined_attention.h"

#include "ops/observing_queries.h"
#include "reference/statistics/naive_attention.h"
#include "reference/statistics/vectors.h"

namespace qpkv {
namespace reference {
namespace joined_attention {
namespace {

using namespace statistics::joined_attention;

double Resolve(const StatisticFacts& facts, const double* given, double* resolved) {
  const ObservingQueries queries =
      ResolveQueries(facts, given[kQueriesLast], given[kQueriesBeforeUserEnd]);
  resolved[0] = queries.begin;
  resolved[1] = queries.end;
  resolved[2] = given[kJoin];
  return queries.end > queries.begin ? 1.0 / (queries.end - queries.begin) : 1.0;
}

double JoinedLogit(const StatisticArgs& args, const float* q, int kv_head, int token) {
  const int group = args.shape.q_heads / args.shape.kv_heads;
  const bool most = static_cast<Join>(args.options.get()[2]) == Join::kMax;
  const std::vector<double> key = RowOf(args, args.k, kv_head, token);
  double joined = 0;
  for (int g = 0; g < group; ++g) {
    const float* own = q + g * args.shape.dim;
    const double x = Capped(Inner(key, {own, own + args.shape.dim}) * args.scale, args.shape.cap);
    joined = g == 0 ? x : most ? std::max(joined, x) : joined + x;
  }
  return most ? joined : joined / group;
}

void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kChunk) return;
  const StatisticShape& shape = args.shape;
  const int from = static_cast<int>(args.options.get()[0]),
            to = static_cast<int>(args.options.get()[1]);
  const int group = shape.q_heads / shape.kv_heads;
  for (int kv_head = 0; kv_head < shape.kv_heads; ++kv_head)
    for (int row = 0; row < args.rows; ++row) {
      const int position = args.first + row;
      if (position < from || position >= to) continue;
      const int begin = shape.window > 0 ? std::max(0, position + 1 - shape.window) : 0;
      if (begin >= from) continue;
      const float* q = args.q + static_cast<size_t>(row) * args.q_stride +
                       static_cast<size_t>(kv_head) * group * shape.dim;
      std::vector<double> logits;
      for (int t = begin; t < from; ++t) logits.push_back(JoinedLogit(args, q, kv_head, t));
      double lse = 0;
      const std::vector<double> p = Softmax(logits, &lse);
      for (int t = begin; t < from; ++t)
        args.out[static_cast<size_t>(kv_head) * shape.tokens + t] +=
            static_cast<float>(p[static_cast<size_t>(t - begin)]);
    }
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, Resolve, nullptr, Run};

}  // namespace joined_attention
}  // namespace reference
}  // namespace qpkv
