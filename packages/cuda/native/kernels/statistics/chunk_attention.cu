// chunk-attention: the probability that a key receives from all queries of its chunk. Queries are
// kept, as those of a chunk see its later keys too.
#include "kernels/observed_rows.h"
#include "ops/statistics/chunk_attention.h"
#include "ops/tile_layout.h"

namespace qpkv {
namespace cuda {
namespace chunk_attention {
namespace {

using namespace statistics::chunk_attention;

constexpr int kThreads = 64;

size_t StateBytes(const StatisticShape& shape, const double*) { return KeptQueriesBytes(shape); }

// All chunks: tokens [first, last) in pieces of `size`.
struct Chunks {
  ObservedRows rows;  // of all queries; lse [q_heads, tokens]
  int first, last, size;
  bool causal, zeros;  // zeros: the last chunk counts as full, with keys of logit 0

  QPKV_ON_DEVICE int Begin(int token) const { return first + (token - first) / size * size; }
  QPKV_ON_DEVICE int End(int token) const {
    const int end = Begin(token) + size;
    return end < last ? end : last;
  }
  QPKV_ON_DEVICE int Padding(int token) const {
    return zeros ? size - (End(token) - Begin(token)) : 0;
  }
  QPKV_ON_DEVICE float Logit(int head, int query, int token) const {
    return DotOf(rows.Query(head, query), rows.Key(head, token), rows.shape.dim, rows.round) *
           rows.scale;
  }
};

// Blocks (token, head).
__global__ void LseKernel(Chunks a, float* lse) {
  const int query = a.first + static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
  const int end = a.causal ? query + 1 : a.End(query), padding = a.Padding(query);
  LogSum sum = {-Infinity(), 0};
  for (int t = a.Begin(query) + static_cast<int>(threadIdx.x); t < end; t += kThreads)
    sum = AddLogSums{}(sum, {a.Logit(head, query, t), 1});
  sum = BlockJoin(sum, AddLogSums{});
  if (padding > 0) sum = AddLogSums{}(sum, {0, static_cast<float>(padding)});
  if (threadIdx.x == 0)
    lse[static_cast<size_t>(head) * a.rows.shape.tokens + query] = sum.most + logf(sum.sum);
}

// Blocks (tokens, head).
__global__ void SumKernel(Chunks a, const float* lse, float* out) {
  const int token = a.first + static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x),
            head = static_cast<int>(blockIdx.y);
  if (token >= a.last) return;
  const size_t row = static_cast<size_t>(head) * a.rows.shape.tokens;
  const int begin = a.Begin(token), end = a.End(token), padding = a.Padding(token);
  float sum = 0;
  for (int query = a.causal ? token : begin; query < end; ++query)
    sum += expf(a.Logit(head, query, token) - lse[row + query]);
  if (padding > 0) sum += static_cast<float>(padding) / static_cast<float>(padding + end - begin);
  out[row + token] = sum;
}

void Run(Stream& stream, const StatisticArgs& args) {
  CudaStream& on = On(stream);
  const StatisticShape& shape = args.shape;
  float* kept = static_cast<float*>(args.state);
  if (args.stage == StatisticStage::kChunk)
    return KeepQueries(on, args, args.q, args.q_stride, kept);
  const double* options = args.options.get();
  StatisticArgs all = args;
  all.first = 0;
  all.rows = shape.tokens;
  all.q = kept;
  all.q_stride = shape.q_heads * shape.dim;
  all.lse = nullptr;
  Chunks a = {ChunkRows(all, 0, shape.tokens),
              static_cast<int>(options[kFirst]),
              shape.tokens - static_cast<int>(options[kLast]),
              static_cast<int>(options[kChunk]),
              options[kMask] == static_cast<double>(Mask::kCausal),
              options[kPadding] == static_cast<double>(Padding::kZeros)};
  if (a.last <= a.first) return;
  if (options[kLogits] != static_cast<double>(Logits::kScaled)) a.rows.scale = 1;
  float* lse = static_cast<float*>(
      on.Scratch(Slot::kSums, sizeof(float) * shape.q_heads * static_cast<size_t>(shape.tokens)));
  if (lse == nullptr) return;
  const unsigned tokens = static_cast<unsigned>(a.last - a.first),
                 heads = static_cast<unsigned>(shape.q_heads);
  QPKV_LAUNCH(on.queue, LseKernel, dim3(tokens, heads), kThreads, 0, a, lse);
  QPKV_LAUNCH(on.queue, SumKernel, dim3(BlocksFor(tokens, kThreads), heads), kThreads, 0, a, lse,
              args.out);
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, nullptr, StateBytes, Run};

}  // namespace chunk_attention
}  // namespace cuda
}  // namespace qpkv
