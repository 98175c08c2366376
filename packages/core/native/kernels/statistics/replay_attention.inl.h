// replay-attention: attention of tokens that repeat a part of the prompt over the first tokens,
// this part and the repetition so far. These keys are put side by side, so that the rows see what a
// causal mask lets them see; what the part's keys receive at most is kept.
#pragma once
#include "kernels/observed_rows.inl.h"
#include "ops/statistics/replay_attention.h"

namespace qpkv {
namespace {
namespace replay_attention {

using namespace statistics::replay_attention;

// Where the keys of a repetition lie: [0, sinks) of the prompt, its part, the repeated rows.
struct Layout {
  int sinks, part, repeated;
  int keys() const { return sinks + part + repeated; }
};

Layout LayoutOf(const StatisticArgs& args) {
  const int wanted = static_cast<int>(args.options.get()[kSinks]);
  return {wanted < args.replay_begin ? wanted : args.replay_begin,
          args.replay_end - args.replay_begin, args.first + args.rows};
}

// Keys side by side: [kv_heads, layout.keys(), dim].
void GatherKeys(Stream& stream, const StatisticArgs& args, const Layout& layout, float* to) {
  const int dim = args.shape.dim;
  stream.ParallelFor(args.shape.kv_heads, [&](int head, int) {
    const float* from = args.k + static_cast<size_t>(head) * args.capacity * dim;
    float* out = to + static_cast<size_t>(head) * layout.keys() * dim;
    const auto copy = [&](int begin, int count) {
      __builtin_memcpy(out, from + static_cast<size_t>(begin) * dim,
                       sizeof(float) * static_cast<size_t>(count) * dim);
      out += static_cast<size_t>(count) * dim;
    };
    copy(0, layout.sinks);
    copy(args.replay_begin, layout.part);
    copy(args.shape.tokens, layout.repeated);
  });
}

// By what the probabilities of a row are multiplied.
float FactorOf(const StatisticArgs& args, int row) {
  if (static_cast<Over>(args.options.get()[kOver]) != Over::kInputNorm) return 1;
  const float* x = args.inputs + static_cast<size_t>(row) * args.hidden;
  double squares = 0;
  for (int i = 0; i < args.hidden; ++i) squares += static_cast<double>(x[i]) * x[i];
  return squares > 0 ? static_cast<float>(1 / __builtin_sqrt(squares)) : 0;
}

// Keeps the largest of x and what the rows give, four vectors of 16 keys.
QPKV_INLINE void KeepLargest(const float* factors, int count, const float* p, F32x16 (&x)[4]) {
  for (int r = 0; r < count; ++r) {
    const F32x16 factor = Set(factors[r]);
    for (int i = 0; i < 4; ++i)
      x[i] = Max(x[i], Mul(LoadAligned(p + r * kKeyBlock + 16 * i), factor));
  }
}

template <class Step>
void KeepRows(Stream& stream, const StatisticArgs& args, const ObservedRows& rows,
              const Layout& layout, const float* factors) {
  ObserveHeads<Step>(stream, rows, 0,
                     [&](const ObserveWork<Step>& work, int head, int first_block, int end_block,
                         typename Step::A* q) {
                       F32x16 x[kObserveBlocks][4];
                       for (int b = 0; b < kObserveBlocks; ++b)
                         for (int i = 0; i < 4; ++i) x[b][i] = Zero();
                       VisitProbabilities<Step>(
                           work, head, first_block, end_block, q,
                           reinterpret_cast<float*>(q + work.q_size),
                           [&](int first_row, int count, int block, const float* p) {
                             KeepLargest(factors + first_row, count, p, x[block - first_block]);
                           });
                       float* out = args.out + static_cast<size_t>(head) * args.shape.tokens;
                       for (int block = first_block; block < end_block; ++block) {
                         alignas(64) float lanes[kKeyBlock];
                         for (int i = 0; i < 4; ++i)
                           StoreAligned(lanes + 16 * i, x[block - first_block][i]);
                         for (int i = 0; i < kKeyBlock; ++i) {
                           const int part = block * kKeyBlock + i - layout.sinks;
                           if (part < 0 || part >= layout.part) continue;
                           float* to = out + args.replay_begin + part;
                           *to = lanes[i] > *to ? lanes[i] : *to;
                         }
                       }
                     });
}

size_t StateBytes(const StatisticShape& shape, const double*) {
  // A part and its repetition: what is repeated is in the prompt, behind a few words.
  const size_t rows = 2 * static_cast<size_t>(shape.tokens) + kMostReplayWords;
  return sizeof(float) * rows * (static_cast<size_t>(shape.kv_heads) * shape.dim + 1);
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kReplay) return;
  const Layout layout = LayoutOf(args);
  float* keys = static_cast<float*>(args.state);
  GatherKeys(stream, args, layout, keys);
  float* factors = keys + static_cast<size_t>(layout.keys()) * args.shape.kv_heads * args.shape.dim;
  stream.ParallelFor(args.rows, [&](int row, int) { factors[row] = FactorOf(args, row); });
  ObservedRows rows{};
  rows.q = args.q;
  rows.k = keys;
  rows.rows = args.rows;
  rows.first = layout.sinks + layout.part + args.first;
  rows.q_stride = args.q_stride;
  rows.capacity = layout.keys();
  rows.shape = args.shape;
  rows.shape.tokens = layout.keys();
  rows.shape.window = 0;
  rows.block = -1;
  rows.scale = args.scale;
  if (args.precision == Precision::kBf16)
    KeepRows<PairStep>(stream, args, rows, layout, factors);
  else
    KeepRows<F32Step>(stream, args, rows, layout, factors);
}

constexpr Statistic kStatistic = {&kAbout, nullptr, StateBytes, Run};

}  // namespace replay_attention
}  // namespace
}  // namespace qpkv
