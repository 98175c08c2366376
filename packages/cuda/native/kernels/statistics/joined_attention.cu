// joined-attention: mean attention of the last queries over the tokens before them, where the
// logits of a KV head's query heads are joined first.
#include "kernels/observed_rows.h"
#include "ops/observing_queries.h"
#include "ops/statistics/joined_attention.h"

namespace qpkv {
namespace cuda {
namespace joined_attention {
namespace {

using namespace statistics::joined_attention;

constexpr int kThreads = 64;

double Resolve(const StatisticFacts& facts, const double* given, double* resolved) {
  const ObservingQueries queries =
      ResolveQueries(facts, given[kQueriesLast], given[kQueriesBeforeUserEnd]);
  resolved[0] = queries.begin;
  resolved[1] = queries.end;
  resolved[2] = given[kJoin];
  return queries.end > queries.begin ? 1.0 / (queries.end - queries.begin) : 1.0;
}

// Rows look at keys [FirstKey, end).
QPKV_DEVICE float JoinedLogit(const ObservedRows& rows, bool most, int kv_head, int row,
                              int token) {
  const int group = rows.shape.q_heads / rows.shape.kv_heads, first = kv_head * group;
  const float* key = rows.Key(first, token);
  float joined = 0;
  for (int g = 0; g < group; ++g) {
    const float x = LogitOf(rows, first + g, row, key);
    joined = g == 0 ? x : most ? fmaxf(joined, x) : joined + x;
  }
  return most ? joined : joined / static_cast<float>(group);
}

// lse: [kv_heads, rows]. Blocks (row, KV head).
__global__ void LseKernel(ObservedRows rows, bool most, int end, float* lse) {
  const int row = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
  LogSum sum = {-Infinity(), 0};
  for (int t = rows.FirstKey(row) + static_cast<int>(threadIdx.x); t < end; t += kThreads)
    sum = AddLogSums{}(sum, {JoinedLogit(rows, most, head, row, t), 1});
  sum = BlockJoin(sum, AddLogSums{});
  if (threadIdx.x == 0) lse[static_cast<size_t>(head) * rows.rows + row] = sum.most + logf(sum.sum);
}

// Blocks (tokens, KV head).
__global__ void SumKernel(ObservedRows rows, bool most, int end, const float* lse, float* out) {
  const int token = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x),
            head = static_cast<int>(blockIdx.y);
  if (token >= end) return;
  float sum = 0;
  for (int row = 0; row < rows.rows; ++row)
    if (token >= rows.FirstKey(row))
      sum += expf(JoinedLogit(rows, most, head, row, token) -
                  lse[static_cast<size_t>(head) * rows.rows + row]);
  out[static_cast<size_t>(head) * rows.shape.tokens + token] += sum;
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kChunk) return;
  CudaStream& on = On(stream);
  const double* options = args.options.get();
  const int end = static_cast<int>(options[0]);
  ObservedRows rows = ChunkRows(args, end, static_cast<int>(options[1]));
  if (rows.rows == 0 || end <= 0) return;
  rows.round = false;  // joined logits are float32 in either precision
  const bool most = options[2] == static_cast<double>(Join::kMax);
  const unsigned heads = static_cast<unsigned>(args.shape.kv_heads);
  float* lse = static_cast<float*>(
      on.Scratch(Slot::kSums, sizeof(float) * heads * static_cast<size_t>(rows.rows)));
  if (lse == nullptr) return;
  QPKV_LAUNCH(on.queue, LseKernel, dim3(static_cast<unsigned>(rows.rows), heads), kThreads, 0, rows,
              most, end, lse);
  QPKV_LAUNCH(on.queue, SumKernel, dim3(BlocksFor(end, kThreads), heads), kThreads, 0, rows, most,
              end, lse, args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, Resolve, nullptr, Run};

}  // namespace joined_attention
}  // namespace cuda
}  // namespace qpkv
