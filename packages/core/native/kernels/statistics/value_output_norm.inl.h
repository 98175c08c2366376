// value-output-norm: the norm of each value after its query head's columns of the output
// projection. As many products as that projection takes in prefill; float32 factors.
#pragma once
#include "kernels/attention_panels.inl.h"
#include "kernels/weight_columns.inl.h"
#include "ops/statistics/value_output_norm.h"

namespace qpkv {
namespace {
namespace value_output_norm {

constexpr int kBlocks = 4;  // blocks of 48 values per unit

// Norms of the values [begin, end) of one query head. A panel of 64 outputs has the form of a block
// of keys, so that its products are "logits".
void HeadNorms(const StatisticArgs& args, int head, int begin, int end, float* scratch) {
  const int dim = args.shape.dim, group = args.shape.q_heads / args.shape.kv_heads;
  const int norm = static_cast<int>(args.options.get()[statistics::value_output_norm::kNorm]);
  const size_t packed = kQueryBlock * QueryStride<F32Step>(dim);
  float *values = scratch, *panel = values + kBlocks * packed,
        *products = panel + KeyBlockSize<F32Step>(dim), *sums = products + kQueryBlock * kKeyBlock;
  const float* from = args.v + (static_cast<size_t>(head / group) * args.capacity + begin) * dim;
  for (int first = 0; begin + first < end; first += kQueryBlock) {
    const int rows = end - begin - first < kQueryBlock ? end - begin - first : kQueryBlock;
    PackQueries<F32Step>(from + static_cast<size_t>(first) * dim, dim, rows, dim,
                         values + first / kQueryBlock * packed);
  }
  for (int i = 0; i < kBlocks * kQueryBlock * 16; ++i) sums[i] = 0.0f;
  const int panels = static_cast<int>(DivideUp(args.output.n, kPanel));
  for (int p = 0; p < panels; ++p) {
    ReadColumns(args.output, p, head * dim, (head + 1) * dim, panel);
    for (int first = 0; begin + first < end; first += kQueryBlock) {
      const int rows = end - begin - first < kQueryBlock ? end - begin - first : kQueryBlock;
      BlockLogits<F32Step>(values + first / kQueryBlock * packed, panel, rows, dim, products);
      for (int r = 0; r < rows; ++r) {
        F32x16 sum = LoadAligned(sums + (first + r) * 16);
        for (int i = 0; i < kPanel; i += 16) {
          const F32x16 x = LoadAligned(products + r * kKeyBlock + i);
          sum = norm == 1 ? Add(sum, Abs(x)) : Fma(x, x, sum);
        }
        StoreAligned(sums + (first + r) * 16, sum);
      }
    }
  }
  for (int t = begin; t < end; ++t) {
    const float total = ReduceAdd(LoadAligned(sums + (t - begin) * 16));
    args.out[static_cast<size_t>(head) * args.shape.tokens + t] =
        norm == 1 ? total : __builtin_sqrtf(total);
  }
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  constexpr int kTokens = kBlocks * kQueryBlock;
  const int tokens = args.shape.tokens, dim = args.shape.dim;
  const int units = static_cast<int>(DivideUp(tokens, kTokens));
  const size_t floats = kBlocks * kQueryBlock * QueryStride<F32Step>(dim) +
                        KeyBlockSize<F32Step>(dim) + kQueryBlock * kKeyBlock + kTokens * 16;
  stream.ParallelFor(args.shape.q_heads * units, [&](int unit, int thread) {
    const int begin = unit % units * kTokens;
    HeadNorms(args, unit / units, begin, begin + kTokens < tokens ? begin + kTokens : tokens,
              static_cast<float*>(stream.Scratch(thread, floats * sizeof(float))));
  });
}

constexpr Statistic kStatistic = {&statistics::value_output_norm::kAbout, nullptr, nullptr, Run};

}  // namespace value_output_norm
}  // namespace
}  // namespace qpkv
