// pool: mean or largest value of the neighbors, stride 1; block-pool: of a token's block.
#pragma once

namespace qpkv {
namespace {

// NaN wins.
QPKV_INLINE float PooledMaximum(const float* x, int begin, int end) {
  float most = x[begin];
  for (int i = begin + 1; i < end; ++i) most = x[i] > most || x[i] != x[i] ? x[i] : most;
  return most;
}

QPKV_INLINE float Total(const float* x, int begin, int end) {
  float sum = x[begin];
  for (int i = begin + 1; i < end; ++i) sum += x[i];
  return sum;
}

void PoolRows(Stream& stream, const ScoreOperationArgs& args) {
  using namespace score_ops::pool;
  const ScoredRange range = RangeOf(args, kSkipFirst);
  const int kernel = static_cast<int>(args.options[kKernel]), half = kernel / 2;
  const bool maximum = static_cast<Pool>(args.options[kPool]) == Pool::kMax;
  const bool zeros = static_cast<Padding>(args.options[kPadding]) == Padding::kZerosCount;
  stream.ParallelFor(args.rows, [&](int row, int) {
    const float* from = args.of[0] + static_cast<size_t>(row) * args.tokens;
    float* to = args.out + static_cast<size_t>(row) * args.tokens;
    CopyOutside(from, args.tokens, range, to);
    for (int t = range.begin; t < range.end; ++t) {
      const int begin = t - half > range.begin ? t - half : range.begin;
      const int end = t + half < range.end ? t + half + 1 : range.end;
      to[t] = maximum ? PooledMaximum(from, begin, end)
                      : Total(from, begin, end) / static_cast<float>(zeros ? kernel : end - begin);
    }
  });
}

void BlockPoolRows(Stream& stream, const ScoreOperationArgs& args) {
  using namespace score_ops::block_pool;
  const ScoredRange range = RangeOf(args, kSkipFirst);
  const int wanted = static_cast<int>(args.options[kBlock]);
  const int block = wanted < args.tokens ? wanted : args.tokens;
  const bool maximum = static_cast<Pool>(args.options[kPool]) == Pool::kMax;
  stream.ParallelFor(args.rows, [&](int row, int) {
    const float* from = args.of[0] + static_cast<size_t>(row) * args.tokens;
    float* to = args.out + static_cast<size_t>(row) * args.tokens;
    CopyOutside(from, args.tokens, range, to);
    for (int begin = range.begin; begin < range.end; begin += block) {
      const int end = range.end - begin < block ? range.end : begin + block;
      const float x = maximum ? PooledMaximum(from, begin, end)
                              : Total(from, begin, end) / static_cast<float>(end - begin);
      for (int t = begin; t < end; ++t) to[t] = x;
    }
  });
}

}  // namespace
}  // namespace qpkv
