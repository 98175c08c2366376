// drop-error: how far the outputs of the observing queries would move without a token. A thread per
// key goes through the queries of a chunk.
#include "kernels/observed_rows.h"
#include "ops/observing_queries.h"
#include "ops/statistics/drop_error.h"

namespace qpkv {
namespace cuda {
namespace drop_error {
namespace {

using namespace statistics::drop_error;

constexpr int kThreads = 64;

double Resolve(const StatisticFacts& facts, const double* given, double* resolved) {
  const ObservingQueries queries =
      ResolveQueries(facts, given[kQueriesLast], given[kQueriesBeforeUserEnd]);
  resolved[0] = queries.begin;
  resolved[1] = queries.end;
  return 1;
}

// outputs: of the first row on, [rows, q_heads, dim]. Blocks (tokens, head).
__global__ void DropKernel(ObservedRows rows, const float* v, const float* outputs, float* out) {
  const int token = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x),
            head = static_cast<int>(blockIdx.y), dim = rows.shape.dim;
  if (token >= rows.first + rows.rows) return;
  const float* value = v + (static_cast<size_t>(rows.KvHead(head)) * rows.capacity + token) * dim;
  float sum = 0;
  VisitProbabilities(rows, head, token, [&](int row, float p) {
    const float seen = fminf(p, 0.999f), odds = seen / (1 - seen);
    const float* output = outputs + (static_cast<size_t>(row) * rows.shape.q_heads + head) * dim;
    float distance = 0;
    for (int i = 0; i < dim; ++i) {
      const float d = output[i] - value[i];
      distance = fmaf(d, d, distance);
    }
    sum = fmaf(odds * odds, distance, sum);
  });
  out[static_cast<size_t>(head) * rows.shape.tokens + token] += sum;
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kChunk) return;
  ObservedRows rows = ChunkRows(args, static_cast<int>(args.options.get()[0]),
                                static_cast<int>(args.options.get()[1]));
  if (rows.rows == 0 || (rows.lse == nullptr && !ObserveLse(On(stream), &rows))) return;
  const size_t width = static_cast<size_t>(args.shape.q_heads) * args.shape.dim;
  const float* outputs = args.outputs + static_cast<size_t>(rows.first - args.first) * width;
  QPKV_LAUNCH(
      On(stream).queue, DropKernel,
      dim3(BlocksFor(rows.first + rows.rows, kThreads), static_cast<unsigned>(args.shape.q_heads)),
      kThreads, 0, rows, args.v, outputs, args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, Resolve, nullptr, Run};

}  // namespace drop_error
}  // namespace cuda
}  // namespace qpkv
