// chunk-attention: the probability that a key receives from all queries of its chunk. Queries are
// kept, as those of a chunk see its later keys too.
#pragma once
#include <math.h>

#include "kernels/attention_panels.inl.h"
#include "kernels/kept_queries.inl.h"
#include "ops/statistics/chunk_attention.h"

namespace qpkv {
namespace {
namespace chunk_attention {

using namespace statistics::chunk_attention;

size_t StateBytes(const StatisticShape& shape, const double*) { return KeptQueriesBytes(shape); }

// One chunk of one query head.
struct Chunk {
  int begin, tokens;
  int padding;  // keys of logit 0 and queries that see all alike
  bool causal;
  float scale;
};

// The probabilities of one query over `blocks` blocks of logits, each `stride` floats apart, added
// to sums [64 * blocks].
void AddRow(const float* logits, size_t stride, int blocks, int visible, const Chunk& chunk,
            float* sums) {
  const F32x16 scale = Set(chunk.scale * kLog2E);
  F32x16 most = Set(chunk.padding > 0 ? 0.0f : -__builtin_inff());
  for (int i = 0; i < visible; i += 16) {
    const F32x16 x = Mul(LoadAligned(logits + i / kKeyBlock * stride + i % kKeyBlock), scale);
    most = Max(Select(FirstN(visible - i), x, most), most);
  }
  const float peak = ReduceMax(most);
  F32x16 total = Zero();
  for (int i = 0; i < visible; i += 16) {
    const F32x16 x = Mul(LoadAligned(logits + i / kKeyBlock * stride + i % kKeyBlock), scale);
    total = Add(total, Select(FirstN(visible - i), Exp2(Sub(x, Set(peak))), Zero()));
  }
  const float sum = ReduceAdd(total) + static_cast<float>(chunk.padding) * ::exp2f(-peak);
  const F32x16 inverse = Set(1.0f / sum);
  for (int i = 0; i < visible && i < blocks * kKeyBlock; i += 16) {
    const F32x16 x = Mul(LoadAligned(logits + i / kKeyBlock * stride + i % kKeyBlock), scale);
    const F32x16 p = Mul(Exp2(Sub(x, Set(peak))), inverse);
    StoreAligned(sums + i, Add(LoadAligned(sums + i), Select(FirstN(visible - i), p, Zero())));
  }
}

template <class Step>
QPKV_INLINE size_t ScratchBytes(int dim, int blocks) {
  return sizeof(typename Step::B) * KeyBlockSize<Step>(dim) * blocks +
         sizeof(typename Step::A) * kQueryBlock * QueryStride<Step>(dim) +
         sizeof(float) * blocks * kKeyBlock * (kQueryBlock + 1);
}

template <class Step>
void RunChunkOf(const StatisticArgs& args, int head, const Chunk& chunk, void* scratch) {
  const StatisticShape& shape = args.shape;
  const int dim = shape.dim, blocks = static_cast<int>(DivideUp(chunk.tokens, kKeyBlock));
  const size_t width = static_cast<size_t>(shape.q_heads) * dim;
  float* sums = static_cast<float*>(scratch);
  float* logits = sums + blocks * kKeyBlock;
  typename Step::B* keys =
      reinterpret_cast<typename Step::B*>(logits + blocks * kKeyBlock * kQueryBlock);
  typename Step::A* q =
      reinterpret_cast<typename Step::A*>(keys + blocks * KeyBlockSize<Step>(dim));
  const int kv_head = head / (shape.q_heads / shape.kv_heads);
  const float* from = args.k + (static_cast<size_t>(kv_head) * args.capacity + chunk.begin) * dim;
  for (int b = 0; b < blocks; ++b)
    PackKeyBlock<Step>(from + static_cast<size_t>(b) * kKeyBlock * dim,
                       chunk.tokens - b * kKeyBlock, dim, keys + b * KeyBlockSize<Step>(dim));
  for (int i = 0; i < blocks * kKeyBlock; ++i) sums[i] = 0.0f;
  const float* kept = static_cast<const float*>(args.state);
  for (int first = 0; first < chunk.tokens; first += kQueryBlock) {
    const int rows = chunk.tokens - first < kQueryBlock ? chunk.tokens - first : kQueryBlock;
    PackQueries<Step>(kept + (chunk.begin + first) * width + static_cast<size_t>(head) * dim, width,
                      rows, dim, q);
    for (int b = 0; b < blocks; ++b)
      BlockLogits<Step>(q, keys + b * KeyBlockSize<Step>(dim), rows, dim,
                        logits + b * kKeyBlock * kQueryBlock);
    for (int r = 0; r < rows; ++r)
      AddRow(logits + r * kKeyBlock, static_cast<size_t>(kKeyBlock) * kQueryBlock, blocks,
             chunk.causal ? first + r + 1 : chunk.tokens, chunk, sums);
  }
  const float uniform = chunk.padding > 0 ? static_cast<float>(chunk.padding) /
                                                static_cast<float>(chunk.padding + chunk.tokens)
                                          : 0.0f;
  for (int t = 0; t < chunk.tokens; ++t)
    args.out[static_cast<size_t>(head) * shape.tokens + chunk.begin + t] = sums[t] + uniform;
}

template <class Step>
void RunHeads(Stream& stream, const StatisticArgs& args) {
  const double* options = args.options.get();
  const StatisticShape& shape = args.shape;
  const int size = static_cast<int>(options[kChunk]), first = static_cast<int>(options[kFirst]);
  const int tokens = shape.tokens - first - static_cast<int>(options[kLast]);
  if (tokens <= 0) return;
  const int chunks = static_cast<int>(DivideUp(tokens, size));
  const int blocks = static_cast<int>(DivideUp(size < tokens ? size : tokens, kKeyBlock));
  stream.ParallelFor(shape.q_heads * chunks, [&](int unit, int thread) {
    const int begin = unit % chunks * size;
    Chunk chunk;
    chunk.begin = first + begin;
    chunk.tokens = tokens - begin < size ? tokens - begin : size;
    chunk.padding =
        static_cast<Padding>(options[kPadding]) == Padding::kZeros ? size - chunk.tokens : 0;
    chunk.causal = static_cast<Mask>(options[kMask]) == Mask::kCausal;
    chunk.scale = static_cast<Logits>(options[kLogits]) == Logits::kScaled ? args.scale : 1.0f;
    RunChunkOf<Step>(args, unit / chunks, chunk,
                     stream.Scratch(thread, ScratchBytes<Step>(shape.dim, blocks)));
  });
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage == StatisticStage::kChunk)
    return KeepQueries(stream, args, static_cast<float*>(args.state));
  if (args.precision == Precision::kBf16)
    RunHeads<PairStep>(stream, args);
  else
    RunHeads<F32Step>(stream, args);
}

constexpr Statistic kStatistic = {&kAbout, nullptr, StateBytes, Run};

}  // namespace chunk_attention
}  // namespace
}  // namespace qpkv
