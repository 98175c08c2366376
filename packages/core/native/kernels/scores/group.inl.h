// group: the rows of the query heads that share a stored head, joined to one; over the layer: all
// rows joined, once for every stored head. Rows of KV heads are repeated where more heads are
// stored.
#pragma once

namespace qpkv {
namespace {

// Joins `count` consecutive rows [tokens] into one.
QPKV_INLINE void JoinRows(const float* rows, int count, int tokens, score_ops::group::By by,
                          float* out) {
  using By = score_ops::group::By;
  for (int t = 0; t < tokens; t += 16) {
    const int n = tokens - t;
    F32x16 x = LoadN(rows + t, n);
    for (int g = 1; g < count; ++g) {
      const F32x16 y = LoadN(rows + static_cast<size_t>(g) * tokens + t, n);
      // Second operand wins when either is NaN; the select keeps a NaN in x.
      x = by == By::kMax ? Select(IsNan(x), x, Max(x, y)) : Add(x, y);
    }
    if (by == By::kMean) x = Div(x, Set(static_cast<float>(count)));
    StoreN(out + t, x, n);
  }
}

void GroupRows(Stream& stream, const ScoreOperationArgs& args) {
  using namespace score_ops::group;
  const auto by = static_cast<By>(args.options[kBy]);
  const bool layer = static_cast<Over>(args.options[kOver]) == Over::kLayer;
  const int joined = layer ? args.rows : args.rows / args.out_rows;
  const int tokens = args.tokens;
  stream.ParallelFor(args.out_rows, [&](int row, int) {
    const int from = layer ? 0 : joined > 0 ? row * joined : row / (args.out_rows / args.rows);
    JoinRows(args.of[0] + static_cast<size_t>(from) * tokens, joined > 0 ? joined : 1, tokens, by,
             args.out + static_cast<size_t>(row) * tokens);
  });
}

}  // namespace
}  // namespace qpkv
