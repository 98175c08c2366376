// joined-attention: the logits of a KV head's query heads become one row, whose softmax over the
// tokens before the observing ones is averaged over these. A unit of work is a KV head.
#pragma once
#include "kernels/observed_rows.inl.h"
#include "ops/observing_queries.h"
#include "ops/statistics/joined_attention.h"

namespace qpkv {
namespace {
namespace joined_attention {

using namespace statistics::joined_attention;

constexpr int kJoinSlot = 2;  // behind the first observing query and the end

double Resolve(const StatisticFacts& facts, const double* given, double* resolved) {
  const ObservingQueries queries =
      ResolveQueries(facts, given[kQueriesLast], given[kQueriesBeforeUserEnd]);
  resolved[0] = queries.begin;
  resolved[1] = queries.end;
  resolved[kJoinSlot] = given[kJoin];
  return queries.end > queries.begin ? 1.0 / (queries.end - queries.begin) : 1.0;
}

QPKV_INLINE float Inner(const float* a, const float* b, int dim) {
  F32x16 sum = Zero();
  for (int i = 0; i < dim; i += 16) sum = Fma(LoadN(a + i, dim - i), LoadN(b + i, dim - i), sum);
  return ReduceAdd(sum);
}

// Adds the probabilities of one query over the keys [begin, end) of its head. logits: [end].
void AddQuery(const StatisticArgs& args, int kv_head, const float* q, Visible seen, float* logits,
              float* out) {
  const StatisticShape& shape = args.shape;
  const int group = shape.q_heads / shape.kv_heads;
  const bool most = static_cast<Join>(args.options.get()[kJoinSlot]) == Join::kMax;
  float top = -__builtin_inff();
  for (int t = seen.begin; t < seen.end; ++t) {
    const float* key = args.k + (static_cast<size_t>(kv_head) * args.capacity + t) * shape.dim;
    float joined = 0;
    for (int g = 0; g < group; ++g) {
      float x = Inner(q + g * shape.dim, key, shape.dim) * args.scale;
      if (shape.cap > 0) x = shape.cap * ::tanhf(x / shape.cap);
      joined = g == 0 ? x : most ? (x > joined ? x : joined) : joined + x;
    }
    logits[t] = most ? joined : joined / static_cast<float>(group);
    top = logits[t] > top ? logits[t] : top;
  }
  double sum = 0;
  for (int t = seen.begin; t < seen.end; t += 16) {
    const int n = seen.end - t < 16 ? seen.end - t : 16;
    StoreN(logits + t, Exp(Sub(LoadN(logits + t, n), Set(top))), n);
    for (int i = 0; i < n; ++i) sum += logits[t + i];
  }
  const float inverse = static_cast<float>(1 / sum);
  for (int t = seen.begin; t < seen.end; ++t) out[t] += logits[t] * inverse;
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kChunk) return;
  const StatisticShape& shape = args.shape;
  const int from = static_cast<int>(args.options.get()[0]),
            to = static_cast<int>(args.options.get()[1]);
  const int group = shape.q_heads / shape.kv_heads;
  stream.ParallelFor(shape.kv_heads, [&](int kv_head, int thread) {
    float* logits =
        static_cast<float*>(stream.Scratch(thread, sizeof(float) * static_cast<size_t>(from + 16)));
    for (int row = 0; row < args.rows; ++row) {
      const int position = args.first + row;
      if (position < from || position >= to) continue;
      Visible seen = CausalRange(position, shape.window);
      seen.end = seen.end < from ? seen.end : from;
      if (seen.begin >= seen.end) continue;
      const float* q = args.q + static_cast<size_t>(row) * args.q_stride +
                       static_cast<size_t>(kv_head) * group * shape.dim;
      AddQuery(args, kv_head, q, seen, logits,
               args.out + static_cast<size_t>(kv_head) * shape.tokens);
    }
  });
}

constexpr Statistic kStatistic = {&kAbout, Resolve, nullptr, Run};

}  // namespace joined_attention
}  // namespace
}  // namespace qpkv
