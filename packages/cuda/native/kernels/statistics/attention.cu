// attention: the probability that a key receives, reduced over the observing queries.
//
// A thread per key goes through the queries of a chunk. A window-block mask lets early queries see
// later keys, so the queries are kept and measured after the last chunk. A variance adds values and
// squares in double.
#include "kernels/observed_rows.h"
#include "ops/observing_queries.h"
#include "ops/statistics/attention.h"
#include "ops/tile_layout.h"

namespace qpkv {
namespace cuda {
namespace attention {
namespace {

using statistics::attention::Mask;
using statistics::attention::Reduce;

constexpr int kThreads = 64;

// Resolved options; kBlock is 1 more than the masked block's side, 0 for a causal mask.
enum Resolved { kBegin, kEnd, kBlock, kReduceBy };

double Resolve(const StatisticFacts& facts, const double* given, double* resolved) {
  using namespace statistics::attention;
  const ObservingQueries queries =
      ResolveQueries(facts, given[kQueriesLast], given[kQueriesBeforeUserEnd]);
  resolved[kBegin] = queries.begin;
  resolved[kEnd] = queries.end;
  // Queries inside the masked block are causal under either mask.
  if (static_cast<Mask>(static_cast<int>(given[kMask])) == Mask::kWindowBlock &&
      queries.begin < facts.shape.tokens - facts.protect_last)
    resolved[kBlock] = facts.protect_last + 1;
  const Reduce reduce =
      static_cast<Reduce>(static_cast<int>(given[statistics::attention::kReduce]));
  resolved[kReduceBy] = static_cast<double>(reduce == Reduce::kMean ? Reduce::kSum : reduce);
  return reduce == Reduce::kMean ? 1.0 / (queries.end - queries.begin) : 1.0;
}

Reduce ReduceOf(const double* resolved) {
  return static_cast<Reduce>(static_cast<int>(resolved[kReduceBy]));
}

// [2, q_heads, tokens] sums and squares in double, where a variance is wanted.
size_t MomentBytes(const StatisticShape& shape, const double* resolved) {
  return ReduceOf(resolved) == Reduce::kVariance
             ? AlignUp(2 * sizeof(double) * shape.q_heads * static_cast<size_t>(shape.tokens), 64)
             : 0;
}
size_t StateBytes(const StatisticShape& shape, const double* resolved) {
  return MomentBytes(shape, resolved) + (resolved[kBlock] != 0 ? KeptQueriesBytes(shape) : 0);
}

// Blocks (tokens, head).
__global__ void ReduceKernel(ObservedRows rows, Reduce reduce, float* out, double* moments) {
  const int token = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x),
            head = static_cast<int>(blockIdx.y);
  if (token >= rows.shape.tokens || token >= rows.capacity) return;
  const size_t at = static_cast<size_t>(head) * rows.shape.tokens + token;
  if (reduce == Reduce::kVariance) {
    double sum = 0, squares = 0;
    VisitProbabilities(rows, head, token, [&](int, float p) {
      sum += p;
      squares += static_cast<double>(p) * p;
    });
    moments[at] += sum;
    moments[static_cast<size_t>(rows.shape.q_heads) * rows.shape.tokens + at] += squares;
    return;
  }
  float x = 0;
  VisitProbabilities(rows, head, token, [&](int, float p) {
    if (reduce == Reduce::kMax)
      x = fmaxf(x, p);
    else
      x += reduce == Reduce::kEntropy ? -p * logf(p + 1e-10f) : p;
  });
  out[at] = reduce == Reduce::kMax ? fmaxf(out[at], x) : out[at] + x;
}

__global__ void VarianceKernel(const double* moments, size_t count, double queries, float* out) {
  const size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const double mean = moments[i] / queries, variance = moments[count + i] / queries - mean * mean;
  out[i] = static_cast<float>(variance > 0 ? variance : 0.0);
}

void Measure(CudaStream& on, const StatisticArgs& args, const ObservedRows& rows) {
  if (rows.rows > 0)
    QPKV_LAUNCH(
        on.queue, ReduceKernel,
        dim3(BlocksFor(args.shape.tokens, kThreads), static_cast<unsigned>(args.shape.q_heads)),
        kThreads, 0, rows, ReduceOf(args.options.get()), args.out,
        static_cast<double*>(args.state));
}

void Run(Stream& stream, const StatisticArgs& args) {
  CudaStream& on = On(stream);
  const double* options = args.options.get();
  const int begin = static_cast<int>(options[kBegin]), end = static_cast<int>(options[kEnd]);
  const bool kept = options[kBlock] != 0;
  float* queries = reinterpret_cast<float*>(static_cast<uint8_t*>(args.state) +
                                            MomentBytes(args.shape, options));
  if (args.stage == StatisticStage::kChunk) {
    if (kept) return KeepQueries(on, args, args.q, args.q_stride, queries);
    ObservedRows rows = ChunkRows(args, begin, end);
    if (rows.lse != nullptr || ObserveLse(on, &rows)) Measure(on, args, rows);
    return;
  }
  if (kept) {
    StatisticArgs all = args;
    all.first = 0;
    all.rows = args.shape.tokens;
    all.q = queries;
    all.q_stride = args.shape.q_heads * args.shape.dim;
    all.lse = nullptr;
    ObservedRows rows = ChunkRows(all, begin, end);
    rows.block = static_cast<int>(options[kBlock]) - 1;
    if (!ObserveLse(on, &rows)) return;
    Measure(on, args, rows);
  }
  if (ReduceOf(options) != Reduce::kVariance) return;
  const size_t count = static_cast<size_t>(args.shape.q_heads) * args.shape.tokens;
  QPKV_LAUNCH(on.queue, VarianceKernel, BlocksFor(count, kThreads), kThreads, 0,
              static_cast<const double*>(args.state), count, static_cast<double>(end - begin),
              args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::attention::kAbout, Resolve, StateBytes, Run};

}  // namespace attention
}  // namespace cuda
}  // namespace qpkv
