// GroupScores: the scores of the query heads that share a stored head, reduced to one row.
#pragma once

namespace qpkv {
namespace {

void GroupScores(Stream& stream, const GroupScoresArgs& args) {
  const F32x16 factor = Set(args.factor), group = Set(static_cast<float>(args.group));
  stream.ParallelFor(args.heads, [&](int head, int) {
    const float* mass = args.mass + static_cast<size_t>(head) * args.group * args.tokens;
    float* scores = args.scores + static_cast<size_t>(head) * args.tokens;
    for (int t = 0; t < args.tokens; t += 16) {
      const int n = args.tokens - t;
      F32x16 x = LoadN(mass + t, n);
      for (int g = 1; g < args.group; ++g) {
        const F32x16 y = LoadN(mass + static_cast<size_t>(g) * args.tokens + t, n);
        // Second operand wins when either is NaN; the select keeps a NaN in x.
        x = args.reduce == Reduce::kMax ? Select(IsNan(x), x, Max(x, y)) : Add(x, y);
      }
      if (args.reduce == Reduce::kMean) x = Div(x, group);
      StoreN(scores + t, Mul(x, factor), n);
    }
  });
}

}  // namespace
}  // namespace qpkv
