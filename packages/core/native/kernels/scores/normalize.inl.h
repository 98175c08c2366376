// z-score, softmax, rank-in-blocks: scores among those of their row, their layer or their block.
#pragma once
#include "kernels/select.inl.h"

namespace qpkv {
namespace {

// What lies along the tokens of a row: [begin, end) take part, the others are copied.
struct ScoredRange {
  int begin, end;
};
QPKV_INLINE ScoredRange RangeOf(const ScoreOperationArgs& args, int skip_first_slot) {
  const int skip = static_cast<int>(args.options[skip_first_slot]);
  return {skip < args.scored ? skip : args.scored, args.scored};
}

// Copies what takes no part.
QPKV_INLINE void CopyOutside(const float* from, int tokens, ScoredRange range, float* to) {
  for (int t = 0; t < range.begin; ++t) to[t] = from[t];
  for (int t = range.end; t < tokens; ++t) to[t] = from[t];
}

void ZScoreRows(Stream& stream, const ScoreOperationArgs& args) {
  using namespace score_ops::z_score;
  const ScoredRange range = RangeOf(args, kSkipFirst);
  const bool layer = static_cast<Over>(args.options[kOver]) == Over::kLayer;
  const int width = range.end - range.begin, joined = layer ? args.rows : 1;
  stream.ParallelFor(layer ? 1 : args.rows, [&](int unit, int) {
    double sum = 0, squares = 0;
    for (int row = unit * joined; row < (unit + 1) * joined; ++row)
      for (int t = range.begin; t < range.end; ++t)
        sum += args.of[0][static_cast<size_t>(row) * args.tokens + t];
    const double count = static_cast<double>(width) * joined;
    const double mean = width > 0 ? sum / count : 0;
    for (int row = unit * joined; row < (unit + 1) * joined; ++row)
      for (int t = range.begin; t < range.end; ++t) {
        const double d = args.of[0][static_cast<size_t>(row) * args.tokens + t] - mean;
        squares += d * d;
      }
    const double inverse = squares > 0 ? 1 / __builtin_sqrt(squares / count) : squares;
    for (int row = unit * joined; row < (unit + 1) * joined; ++row) {
      const float* from = args.of[0] + static_cast<size_t>(row) * args.tokens;
      float* to = args.out + static_cast<size_t>(row) * args.tokens;
      CopyOutside(from, args.tokens, range, to);
      for (int t = range.begin; t < range.end; ++t)
        to[t] = static_cast<float>((from[t] - mean) * inverse);
    }
  });
}

void SoftmaxRows(Stream& stream, const ScoreOperationArgs& args) {
  const ScoredRange range = RangeOf(args, score_ops::softmax::kSkipFirst);
  stream.ParallelFor(args.rows, [&](int row, int) {
    const float* from = args.of[0] + static_cast<size_t>(row) * args.tokens;
    float* to = args.out + static_cast<size_t>(row) * args.tokens;
    CopyOutside(from, args.tokens, range, to);
    float most = -__builtin_inff();
    for (int t = range.begin; t < range.end; ++t) most = from[t] > most ? from[t] : most;
    double sum = 0;
    for (int t = range.begin; t < range.end; t += 16) {
      const int n = range.end - t < 16 ? range.end - t : 16;
      StoreN(to + t, Exp(Sub(LoadN(from + t, n), Set(most))), n);
      for (int i = 0; i < n; ++i) sum += to[t + i];
    }
    for (int t = range.begin; t < range.end; ++t) to[t] = static_cast<float>(to[t] / sum);
  });
}

// A NaN has no rank and stays; it counts as the highest for the others.
void RankRows(Stream& stream, const ScoreOperationArgs& args) {
  using namespace score_ops::rank_in_blocks;
  const ScoredRange range = RangeOf(args, kSkipFirst);
  const int wanted = static_cast<int>(args.options[kBlock]);
  const int block = wanted < args.tokens ? wanted : args.tokens;
  stream.ParallelFor(args.rows, [&](int row, int thread) {
    const float* from = args.of[0] + static_cast<size_t>(row) * args.tokens;
    float* to = args.out + static_cast<size_t>(row) * args.tokens;
    CopyOutside(from, args.tokens, range, to);
    uint64_t* order = static_cast<uint64_t*>(
        stream.Scratch(thread, sizeof(uint64_t) * static_cast<size_t>(block)));
    for (int begin = range.begin; begin < range.end; begin += block) {
      const int count = range.end - begin < block ? range.end - begin : block;
      for (int i = 0; i < count; ++i) {
        const float x = from[begin + i];
        const uint32_t key = x != x ? 0xffffffffu : SortKey(x);
        order[i] = static_cast<uint64_t>(key) << 32 | static_cast<uint32_t>(i);
      }
      SortWords(order, count);
      for (int rank = 0; rank < count; ++rank) {
        const int t = begin + static_cast<int>(order[rank] & 0xffffffffu);
        to[t] = from[t] != from[t] ? from[t] : static_cast<float>(rank) / static_cast<float>(count);
      }
    }
  });
}

}  // namespace
}  // namespace qpkv
