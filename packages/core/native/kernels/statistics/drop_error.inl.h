// drop-error: what the outputs of the observing queries lose if one token is dropped. Without token
// j the output o of a query moves by p / (1 - p) (o - v_j), where p is what j gets; squared and
// summed over the queries that is one more product beside that of queries and keys.
#pragma once
#include "kernels/observed_rows.inl.h"
#include "ops/observing_queries.h"
#include "ops/statistics/drop_error.h"

namespace qpkv {
namespace {
namespace drop_error {

using namespace statistics::drop_error;

constexpr float kMost = 0.999f;  // a probability counts as at most this

double Resolve(const StatisticFacts& facts, const double* given, double* resolved) {
  const ObservingQueries queries =
      ResolveQueries(facts, given[kQueriesLast], given[kQueriesBeforeUserEnd]);
  resolved[0] = queries.begin;
  resolved[1] = queries.end;
  return 1;
}

// Squared lengths of 64 values, whose block lies by channel and lane.
void SquaredLengths(const float* block, int dim, float* out) {
  for (int i = 0; i < kKeyBlock; i += 16) {
    F32x16 sum = Zero();
    for (int c = 0; c < dim; ++c) {
      const F32x16 x = LoadAligned(block + static_cast<size_t>(c) * kKeyBlock + i);
      sum = Fma(x, x, sum);
    }
    StoreAligned(out + i, sum);
  }
}

QPKV_INLINE float SquaredLength(const float* x, int dim) {
  F32x16 sum = Zero();
  for (int i = 0; i < dim; i += 16) {
    const F32x16 v = LoadN(x + i, dim - i);
    sum = Fma(v, v, sum);
  }
  return ReduceAdd(sum);
}

// Scratch of a unit beside that of ObserveHeads, in floats: a block of values, their squared
// lengths, packed outputs and their products with the values.
QPKV_INLINE size_t ExtraFloats(int dim) {
  return KeyBlockSize<F32Step>(dim) + kKeyBlock + kQueryBlock * QueryStride<F32Step>(dim) +
         kQueryBlock * kKeyBlock;
}

// A query has at most three tokens with a larger probability. Their values lie close to the output,
// so that their distance cancels in |v|^2 + |o|^2 - 2 v o and is summed channel by channel.
constexpr float kLarge = 0.25f;
F32x16 CloseDistances(const float* block, int lane, int dim, const float* output, uint32_t close,
                      F32x16 distance) {
  float all[16];
  Store(all, distance);
  for (int i = 0; i < 16; ++i) {
    if ((close >> i & 1) == 0) continue;
    all[i] = 0;
    for (int c = 0; c < dim; ++c) {
      const float d = block[static_cast<size_t>(c) * kKeyBlock + lane + i] - output[c];
      all[i] += d * d;
    }
  }
  return Load(all);
}

struct Outputs {
  const float* rows;  // of the first observing query
  size_t stride;
};

// Adds the rows' losses to x, four vectors of 16 tokens.
void AddLosses(const StatisticArgs& args, const Outputs& outputs, int head, int first_row,
               int count, int block, const float* p, float* extra, F32x16 (&x)[4]) {
  const int dim = args.shape.dim, token = block * kKeyBlock;
  const int kv_head = head / (args.shape.q_heads / args.shape.kv_heads);
  float *values = extra, *lengths = values + KeyBlockSize<F32Step>(dim), *q = lengths + kKeyBlock,
        *products = q + kQueryBlock * QueryStride<F32Step>(dim);
  PackKeyBlock<F32Step>(args.v + (static_cast<size_t>(kv_head) * args.capacity + token) * dim,
                        args.shape.tokens - token, dim, values);
  SquaredLengths(values, dim, lengths);
  const float* out = outputs.rows + first_row * outputs.stride + static_cast<size_t>(head) * dim;
  PackQueries<F32Step>(out, outputs.stride, count, dim, q);
  BlockLogits<F32Step>(q, values, count, dim, products);
  for (int r = 0; r < count; ++r) {
    const float* output = out + r * outputs.stride;
    const F32x16 own = Set(SquaredLength(output, dim));
    for (int i = 0; i < 4; ++i) {
      const F32x16 at = Min(LoadAligned(p + r * kKeyBlock + 16 * i), Set(kMost));
      const F32x16 odds = Div(at, Sub(Set(1.0f), at));
      const F32x16 distance = Fma(Set(-2.0f), LoadAligned(products + r * kKeyBlock + 16 * i),
                                  Add(LoadAligned(lengths + 16 * i), own));
      const F32x16 exact = Any(Less(Set(kLarge), at))
                               ? CloseDistances(values, 16 * i, dim, output,
                                                BitsOfMask(Less(Set(kLarge), at)), distance)
                               : distance;
      x[i] = Fma(Mul(odds, odds), Max(exact, Zero()), x[i]);
    }
  }
}

template <class Step>
void AddRows(Stream& stream, const StatisticArgs& args, const ObservedRows& rows) {
  const int tokens = args.shape.tokens, dim = args.shape.dim;
  const size_t width = static_cast<size_t>(args.shape.q_heads) * dim;
  const Outputs outputs = {args.outputs + static_cast<size_t>(rows.first - args.first) * width,
                           width};
  ObserveHeads<Step>(stream, rows, sizeof(float) * ExtraFloats(dim),
                     [&](const ObserveWork<Step>& work, int head, int first_block, int end_block,
                         typename Step::A* q) {
                       float* logits = reinterpret_cast<float*>(q + work.q_size);
                       F32x16 x[kObserveBlocks][4];
                       for (int b = 0; b < kObserveBlocks; ++b)
                         for (int i = 0; i < 4; ++i) x[b][i] = Zero();
                       VisitProbabilities<Step>(
                           work, head, first_block, end_block, q, logits,
                           [&](int first_row, int count, int block, const float* p) {
                             AddLosses(args, outputs, head, first_row, count, block, p,
                                       logits + kQueryBlock * kKeyBlock, x[block - first_block]);
                           });
                       for (int block = first_block; block < end_block; ++block)
                         for (int i = 0; i < 4; ++i) {
                           const int token = block * kKeyBlock + 16 * i, n = tokens - token;
                           if (n <= 0) break;
                           float* to = args.out + static_cast<size_t>(head) * tokens + token;
                           StoreN(to, Add(LoadN(to, n), x[block - first_block][i]), n);
                         }
                     });
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kChunk) return;
  const ObservedRows rows = RowsOf(args, static_cast<int>(args.options.get()[0]),
                                   static_cast<int>(args.options.get()[1]));
  if (rows.rows <= 0) return;
  if (args.precision == Precision::kBf16)
    AddRows<PairStep>(stream, args, rows);
  else
    AddRows<F32Step>(stream, args, rows);
}

constexpr Statistic kStatistic = {&kAbout, Resolve, nullptr, Run};

}  // namespace drop_error
}  // namespace
}  // namespace qpkv
