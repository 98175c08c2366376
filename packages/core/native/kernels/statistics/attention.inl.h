// attention: the probability that a key receives, reduced over the observing queries.
//
// One more product of queries and keys, chunk by chunk from the attention's own log-sum-exps. A
// window-block mask lets early queries see later keys, so the queries are kept and measured after
// the last chunk. A variance holds the mean in `out` and the squared distances from it in the
// state; a block of rows is merged into them as a whole (Chan et al.), so nothing cancels.
#pragma once
#include "kernels/kept_queries.inl.h"
#include "kernels/observed_rows.inl.h"
#include "kernels/vector_log.inl.h"
#include "ops/observing_queries.h"
#include "ops/statistics/attention.h"

namespace qpkv {
namespace {
namespace attention {

using statistics::attention::Mask;
using statistics::attention::Reduce;

// Resolved options; kBlock is 1 more than the masked block's side, 0 for a causal mask.
enum Resolved { kBegin, kEnd, kBlock, kReduceBy };

double Resolve(const StatisticFacts& facts, const double* given, double* resolved) {
  using namespace statistics::attention;
  const ObservingQueries queries =
      ResolveQueries(facts, given[kQueriesLast], given[kQueriesBeforeUserEnd]);
  resolved[kBegin] = queries.begin;
  resolved[kEnd] = queries.end;
  // Queries inside the masked block are causal under either mask.
  if (static_cast<Mask>(given[kMask]) == Mask::kWindowBlock &&
      queries.begin < facts.shape.tokens - facts.protect_last)
    resolved[kBlock] = facts.protect_last + 1;
  const Reduce reduce = static_cast<Reduce>(given[statistics::attention::kReduce]);
  const bool mean = reduce == Reduce::kMean;
  resolved[kReduceBy] = static_cast<double>(mean ? Reduce::kSum : reduce);
  return mean ? 1.0 / (queries.end - queries.begin) : 1.0;
}

size_t DeviationBytes(const StatisticShape& shape, const double* resolved) {
  const bool variance = static_cast<Reduce>(resolved[kReduceBy]) == Reduce::kVariance;
  return variance ? AlignUp(sizeof(float) * shape.q_heads * shape.tokens, 64) : 0;
}

// [q_heads, tokens] squared distances, then [tokens, q_heads, dim] kept queries.
size_t StateBytes(const StatisticShape& shape, const double* resolved) {
  return DeviationBytes(shape, resolved) + (resolved[kBlock] != 0 ? KeptQueriesBytes(shape) : 0);
}

// One reduction of the rows of a block: four vectors of 16 keys.
template <Reduce kReduce>
QPKV_INLINE void ReduceRows(const float* p, int count, F32x16 (&x)[4]) {
  for (int r = 0; r < count; ++r)
    for (int i = 0; i < 4; ++i) {
      const F32x16 row = LoadAligned(p + r * kKeyBlock + 16 * i);
      if (kReduce == Reduce::kSum) x[i] = Add(x[i], row);
      if (kReduce == Reduce::kMax) x[i] = Max(x[i], row);
      if (kReduce == Reduce::kEntropy) x[i] = Sub(x[i], Mul(row, Log(Add(row, Set(1e-10f)))));
    }
}

// Running mean and squared distances of 16 keys over the queries so far.
struct Deviation {
  F32x16 mean, squares;
};

// `count` more values, of which mean and squares are given, behind `before` earlier ones.
QPKV_INLINE void Merge(Deviation* all, int before, int count, F32x16 mean, F32x16 squares) {
  const float total = static_cast<float>(before + count);
  const F32x16 delta = Sub(mean, all->mean);
  all->mean = Fma(delta, Set(count / total), all->mean);
  all->squares = Add(all->squares, Fma(Mul(delta, delta), Set(before * (count / total)), squares));
}

QPKV_INLINE void MergeRows(const float* p, int count, int before, Deviation (&x)[4]) {
  for (int i = 0; i < 4; ++i) {
    F32x16 mean = Zero(), squares = Zero();
    for (int r = 0; r < count; ++r) mean = Add(mean, LoadAligned(p + r * kKeyBlock + 16 * i));
    mean = Mul(mean, Set(1.0f / count));
    for (int r = 0; r < count; ++r) {
      const F32x16 d = Sub(LoadAligned(p + r * kKeyBlock + 16 * i), mean);
      squares = Fma(d, d, squares);
    }
    Merge(&x[i], before, count, mean, squares);
  }
}

// Reduces the rows of this chunk into out[head]: sums, largest values or entropies.
template <class Step, Reduce kReduce>
void AddRows(Stream& stream, const ObservedRows& rows, float* out) {
  const int tokens = rows.shape.tokens;
  ObserveHeads<Step>(stream, rows, 0,
                     [&](const ObserveWork<Step>& work, int head, int first_block, int end_block,
                         typename Step::A* q) {
                       float* logits = reinterpret_cast<float*>(q + work.q_size);
                       F32x16 x[kObserveBlocks][4];
                       for (int b = 0; b < kObserveBlocks; ++b)
                         for (int i = 0; i < 4; ++i) x[b][i] = Zero();
                       VisitProbabilities<Step>(work, head, first_block, end_block, q, logits,
                                                [&](int, int count, int block, const float* p) {
                                                  ReduceRows<kReduce>(p, count,
                                                                      x[block - first_block]);
                                                });
                       for (int block = first_block; block < end_block; ++block)
                         for (int i = 0; i < 4; ++i) {
                           const int token = block * kKeyBlock + 16 * i, n = tokens - token;
                           if (n <= 0) break;
                           float* to = out + static_cast<size_t>(head) * tokens + token;
                           const F32x16 was = LoadN(to, n), more = x[block - first_block][i];
                           StoreN(to, kReduce == Reduce::kMax ? Max(was, more) : Add(was, more), n);
                         }
                     });
}

// The same for means (out) and squared distances; `before` queries have passed in earlier chunks.
// Rows that see none of a unit's keys give zeros.
template <class Step>
void MergeChunk(Stream& stream, const ObservedRows& rows, int before, float* out, float* squares) {
  const int tokens = rows.shape.tokens;
  ObserveHeads<Step>(
      stream, rows, 0,
      [&](const ObserveWork<Step>& work, int head, int first_block, int end_block,
          typename Step::A* q) {
        float* logits = reinterpret_cast<float*>(q + work.q_size);
        Deviation x[kObserveBlocks][4];
        int passed[kObserveBlocks];
        const size_t row = static_cast<size_t>(head) * tokens;
        for (int b = 0; b < end_block - first_block; ++b) {
          passed[b] = before;
          for (int i = 0; i < 4; ++i) {
            const int token = (first_block + b) * kKeyBlock + 16 * i, n = tokens - token;
            x[b][i] = n > 0
                          ? Deviation{LoadN(out + row + token, n), LoadN(squares + row + token, n)}
                          : Deviation{Zero(), Zero()};
          }
        }
        const auto skip = [&](int b, int to) {
          for (int i = 0; i < 4 && to > passed[b]; ++i)
            Merge(&x[b][i], passed[b], to - passed[b], Zero(), Zero());
          passed[b] = to;
        };
        VisitProbabilities<Step>(work, head, first_block, end_block, q, logits,
                                 [&](int first_row, int count, int block, const float* p) {
                                   const int b = block - first_block;
                                   skip(b, before + first_row);
                                   MergeRows(p, count, passed[b], x[b]);
                                   passed[b] += count;
                                 });
        for (int b = 0; b < end_block - first_block; ++b) {
          skip(b, before + rows.rows);
          for (int i = 0; i < 4; ++i) {
            const int token = (first_block + b) * kKeyBlock + 16 * i, n = tokens - token;
            if (n <= 0) break;
            StoreN(out + row + token, x[b][i].mean, n);
            StoreN(squares + row + token, x[b][i].squares, n);
          }
        }
      });
}

template <class Step>
void Reduced(Stream& stream, const StatisticArgs& args, const ObservedRows& rows) {
  switch (static_cast<Reduce>(args.options.get()[kReduceBy])) {
    case Reduce::kMax:
      return AddRows<Step, Reduce::kMax>(stream, rows, args.out);
    case Reduce::kEntropy:
      return AddRows<Step, Reduce::kEntropy>(stream, rows, args.out);
    case Reduce::kVariance: {
      const int before = rows.first - static_cast<int>(args.options.get()[kBegin]);
      return MergeChunk<Step>(stream, rows, before, args.out, static_cast<float*>(args.state));
    }
    default:
      return AddRows<Step, Reduce::kSum>(stream, rows, args.out);
  }
}

void Measure(Stream& stream, const StatisticArgs& args, const ObservedRows& rows) {
  if (rows.rows <= 0) return;
  if (args.precision == Precision::kBf16)
    Reduced<PairStep>(stream, args, rows);
  else
    Reduced<F32Step>(stream, args, rows);
}

void Run(Stream& stream, const StatisticArgs& args) {
  const int begin = static_cast<int>(args.options.get()[kBegin]);
  const int end = static_cast<int>(args.options.get()[kEnd]);
  const bool kept = args.options.get()[kBlock] != 0;
  uint8_t* state = static_cast<uint8_t*>(args.state);
  float* queries = reinterpret_cast<float*>(state + DeviationBytes(args.shape, args.options.get()));
  if (args.stage == StatisticStage::kChunk) {
    if (kept) return KeepQueries(stream, args, queries);
    return Measure(stream, args, RowsOf(args, begin, end));
  }
  if (kept) {
    StatisticArgs all = args;
    all.first = 0;
    all.rows = args.shape.tokens;
    all.q = queries;
    all.q_stride = args.shape.q_heads * args.shape.dim;
    all.lse = nullptr;
    ObservedRows rows = RowsOf(all, begin, end);
    rows.block = static_cast<int>(args.options.get()[kBlock]) - 1;
    Measure(stream, all, rows);
  }
  if (static_cast<Reduce>(args.options.get()[kReduceBy]) != Reduce::kVariance) return;
  const float* squares = static_cast<const float*>(args.state);
  const size_t count = static_cast<size_t>(args.shape.q_heads) * args.shape.tokens;
  for (size_t i = 0; i < count; ++i) args.out[i] = squares[i] / static_cast<float>(end - begin);
}

constexpr Statistic kStatistic = {&statistics::attention::kAbout, Resolve, StateBytes, Run};

}  // namespace attention
}  // namespace
}  // namespace qpkv
