// ScoreOperation, ShareHeads and Select of every table against the reference.
#include <algorithm>
#include <cmath>

#include "test/harness.h"

namespace qpkv {
namespace {

// Scores of `rows` rows, with what may stand among them.
std::vector<float> SomeScores(Random& random, int rows, int tokens) {
  std::vector<float> scores = random.Normals(static_cast<size_t>(rows) * tokens);
  for (float& x : scores)
    if (random.Below(6) == 0) x = static_cast<float>(random.Below(3));  // ties
  return scores;
}

std::vector<float> Operate(const Ops& ops, Stream& stream, ScoreOperationArgs args,
                           const std::vector<std::vector<float>>& inputs) {
  std::vector<float> out(static_cast<size_t>(args.out_rows) * args.tokens, -7.0f);
  args.count = static_cast<int>(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) args.of[i] = inputs[i].data();
  args.out = out.data();
  ops.ScoreOperation(stream, args);
  return out;
}

void ExpectSame(const std::string& label, const std::vector<float>& got,
                const std::vector<float>& want, double bound) {
  for (size_t i = 0; i < want.size(); ++i) {
    const double size = std::fmax(1.0, std::fabs(want[i]));
    const bool same = (std::isnan(got[i]) && std::isnan(want[i])) || got[i] == want[i] ||
                      std::fabs(static_cast<double>(got[i]) - want[i]) <= bound * size;
    Expect(label + Label(" %zu: %g for %g", i, got[i], want[i]), same);
  }
}

// One operation on every table and pool of threads against the reference.
void CompareOperation(const std::string& what, const ScoreOperationArgs& args,
                      const std::vector<std::vector<float>>& inputs, double bound = 2e-6) {
  const std::vector<float> want = Operate(Reference(), TestStream(), args, inputs);
  for (const Ops* ops : Tables()) {
    const std::vector<float> got = Operate(*ops, TestStream(), args, inputs);
    ExpectSame(Label("%s ", ops->name) + what, got, want, bound);
    for (Stream* stream : Streams())
      ExpectEqualBytes(what + " over threads", Operate(*ops, *stream, args, inputs).data(),
                       got.data(), got.size() * sizeof(float));
  }
}

ScoreOperationArgs OperationOf(ScoreOp op, int rows, int tokens, int scored) {
  ScoreOperationArgs args{};
  args.op = op;
  args.rows = args.out_rows = rows;
  args.tokens = tokens;
  args.scored = scored;
  return args;
}

QPKV_TEST(GroupScores) {
  Random random(22);
  for (int tokens : {1, 16, 77})
    for (int rows : {1, 2, 6, 12})
      for (int out_rows : {1, 2, 6, 12})
        for (int by = 0; by < 3; ++by)
          for (int layer = 0; layer < 2; ++layer) {
            if (rows % out_rows != 0 && out_rows % rows != 0) continue;
            ScoreOperationArgs args = OperationOf(ScoreOp::kGroup, rows, tokens, tokens);
            args.out_rows = out_rows;
            args.options[score_ops::group::kBy] = by;
            args.options[score_ops::group::kOver] = layer;
            std::vector<float> x = SomeScores(random, rows, tokens);
            x[tokens / 2] = NAN;
            x.back() = NAN;
            CompareOperation(Label("group %d of %d to %d", by, rows, out_rows), args, {x});
          }
}

QPKV_TEST(CombineScores) {
  Random random(23);
  for (int tokens : {1, 15, 33}) {
    const int rows = 3;
    const std::vector<float> x = SomeScores(random, rows, tokens),
                             y = SomeScores(random, rows, tokens),
                             z = SomeScores(random, rows, tokens);
    CompareOperation("add", OperationOf(ScoreOp::kAdd, rows, tokens, tokens), {x, y, z});
    CompareOperation("multiply", OperationOf(ScoreOp::kMultiply, rows, tokens, tokens), {x, y, z});
    ScoreOperationArgs args = OperationOf(ScoreOp::kScale, rows, tokens, tokens);
    args.options[score_ops::scale::kFactor] = -1.7;
    args.options[score_ops::scale::kOffset] = 0.2;
    CompareOperation("scale", args, {x});
    for (double exponent : {-2.0, -0.5, 0.0, 0.3, 1.0, 2.0, 3.0}) {
      args = OperationOf(ScoreOp::kPower, rows, tokens, tokens);
      args.options[score_ops::power::kExponent] = exponent;
      CompareOperation(Label("power %g", exponent), args, {x});
    }
    for (int first : {0, 2, 40})
      for (double value : {-3.0, static_cast<double>(NAN)}) {
        args = OperationOf(ScoreOp::kConstant, rows, tokens, tokens - tokens / 4);
        args.options[score_ops::constant::kFirst] = first;
        args.options[score_ops::constant::kLast] = 3;
        args.options[score_ops::constant::kValue] = value;
        CompareOperation("constant", args, {x});
      }
  }
}

QPKV_TEST(NormalizeScores) {
  Random random(24);
  for (int tokens : {1, 2, 16, 100})
    for (int skip : {0, 3, 200})
      for (int scored : {tokens, tokens - tokens / 3}) {
        const int rows = 3;
        std::vector<float> x = SomeScores(random, rows, tokens);
        for (int t = 0; t < tokens; ++t) x[t] = 0.25f;  // a row of equal scores
        for (int over = 0; over < 2; ++over) {
          ScoreOperationArgs args = OperationOf(ScoreOp::kZScore, rows, tokens, scored);
          args.options[score_ops::z_score::kOver] = over;
          args.options[score_ops::z_score::kSkipFirst] = skip;
          CompareOperation("z-score", args, {x}, 1e-5);
        }
        ScoreOperationArgs args = OperationOf(ScoreOp::kSoftmax, rows, tokens, scored);
        args.options[score_ops::softmax::kSkipFirst] = skip;
        CompareOperation("softmax", args, {x});
        for (int block : {1, 7, 16, 500}) {
          args = OperationOf(ScoreOp::kRankInBlocks, rows, tokens, scored);
          args.options[score_ops::rank_in_blocks::kBlock] = block;
          args.options[score_ops::rank_in_blocks::kSkipFirst] = skip;
          CompareOperation("rank", args, {x});
        }
      }
}

QPKV_TEST(PoolScores) {
  Random random(25);
  for (int tokens : {1, 3, 16, 50})
    for (int skip : {0, 4})
      for (int scored : {tokens, tokens - tokens / 3})
        for (bool maximum : {false, true}) {
          const int rows = 2;
          std::vector<float> x = SomeScores(random, rows, tokens);
          if (tokens == 50) x[20] = NAN;
          for (int kernel : {1, 3, 7, 13})
            for (int padding = 0; padding < 2; ++padding) {
              ScoreOperationArgs args = OperationOf(ScoreOp::kPool, rows, tokens, scored);
              args.options[score_ops::pool::kPool] = maximum ? 0 : 1;
              args.options[score_ops::pool::kKernel] = kernel;
              args.options[score_ops::pool::kPadding] = padding;
              args.options[score_ops::pool::kSkipFirst] = skip;
              CompareOperation(Label("pool %d", kernel), args, {x});
            }
          for (int block : {1, 5, 20}) {
            ScoreOperationArgs args = OperationOf(ScoreOp::kBlockPool, rows, tokens, scored);
            args.options[score_ops::block_pool::kPool] = maximum ? 0 : 1;
            args.options[score_ops::block_pool::kBlock] = block;
            args.options[score_ops::block_pool::kSkipFirst] = skip;
            CompareOperation(Label("block-pool %d", block), args, {x});
          }
        }
}

struct Shares {
  std::vector<int32_t> keep;
  int bad_head = -2;
  bool bad_is_nan = false;
};
Shares Share(const Ops& ops, ShareHeadsArgs args, const std::vector<float>& scores,
             const std::vector<int32_t>& fixed) {
  Shares shares;
  shares.keep.assign(static_cast<size_t>(args.heads), -1);
  args.scores = scores.data();
  args.fixed = OnHost(fixed.data());
  args.fixed_count = static_cast<int>(fixed.size());
  args.keep = shares.keep.data();
  args.bad_head = OnHost(&shares.bad_head);
  args.bad_is_nan = OnHost(&shares.bad_is_nan);
  ops.ShareHeads(TestStream(), args);
  return shares;
}

QPKV_TEST(ShareHeads) {
  Random random(26);
  for (int round = 0; round < 400; ++round) {
    ShareHeadsArgs args{};
    args.heads = 1 + random.Below(5);
    args.stride = 1 + random.Below(round < 300 ? 60 : 2000);
    args.begin = random.Below(args.stride);
    args.end = args.begin + random.Below(args.stride - args.begin + 1);
    std::vector<int32_t> fixed;
    for (int t = args.begin; t < args.end; ++t)
      if (round % 3 == 1 && random.Below(4) == 0) fixed.push_back(t);
    args.slots = random.Below(args.end - args.begin - static_cast<int>(fixed.size()) + 3) - 1;
    args.floor = random.Below(3) * 0.35;
    args.least = round % 4 == 0 ? random.Below(args.slots + 3) : -1;
    if (round % 5 == 0 && args.slots > 0)
      args.total = static_cast<int64_t>(args.heads) * args.slots + random.Below(args.heads);
    args.weigh_top_share = random.Below(2);
    args.round_each = random.Below(2);
    std::vector<float> scores = random.Normals(static_cast<size_t>(args.heads) * args.stride);
    const int kind = random.Below(4);
    for (float& x : scores) {
      if (args.weigh_top_share) x = std::fabs(x);
      if (kind == 0) x = static_cast<float>(random.Below(3));  // many ties
      if (kind == 1) x = 0;
    }
    if (kind == 2 && round % 3 == 0) scores[random.Below(static_cast<int>(scores.size()))] = NAN;
    if (kind == 3 && round % 3 == 0)
      scores[random.Below(static_cast<int>(scores.size()))] = INFINITY;
    const Shares want = Share(Reference(), args, scores, fixed);
    for (const Ops* ops : Tables()) {
      const Shares got = Share(*ops, args, scores, fixed);
      Expect(Label("%s share round %d slots %d", ops->name, round, args.slots),
             got.bad_head == want.bad_head &&
                 (want.bad_head >= 0 ? got.bad_is_nan == want.bad_is_nan : got.keep == want.keep));
    }
  }
}

struct Choice {
  std::vector<int32_t> kept, counts;
  int nan_head = -2;
};
Choice Choose(const Ops& ops, Stream& stream, SelectArgs args,
              const std::vector<std::vector<float>>& scores, const std::vector<int32_t>& keep,
              const std::vector<int32_t>& fixed) {
  Choice choice;
  args.kept_stride = args.tokens;
  choice.kept.assign(static_cast<size_t>(args.heads) * args.kept_stride, -1);
  choice.counts.assign(static_cast<size_t>(args.heads), -1);
  args.stage_count = static_cast<int>(scores.size());
  for (size_t s = 0; s < scores.size(); ++s) args.stages[s].scores = scores[s].data();
  args.keep = keep.empty() ? nullptr : keep.data();
  args.fixed = OnHost(fixed.data());
  args.fixed_count = static_cast<int>(fixed.size());
  args.kept = OnHost(choice.kept.data());
  args.kept_count = OnHost(choice.counts.data());
  args.nan_head = OnHost(&choice.nan_head);
  ops.Select(stream, args);
  return choice;
}

QPKV_TEST(Select) {
  Random random(27);
  for (int round = 0; round < 400; ++round) {
    SelectArgs args{};
    args.heads = 1 + random.Below(4);
    args.tokens = 1 + random.Below(round < 300 ? 80 : 3000);
    args.stride = args.tokens + 2;
    args.first_begin = random.Below(args.tokens);
    args.candidates_begin = args.first_begin + random.Below(args.tokens - args.first_begin);
    args.candidates_end =
        args.candidates_begin + random.Below(args.tokens - args.candidates_begin + 1);
    args.by_score = random.Below(2);
    std::vector<int32_t> fixed, keep;
    for (int t = args.candidates_begin; t < args.candidates_end; ++t)
      if (round % 3 == 0 && random.Below(4) == 0) fixed.push_back(t);
    const int slots = args.candidates_end - args.candidates_begin - static_cast<int>(fixed.size());
    args.keep_each = random.Below(slots + 1);
    for (int head = 0; head < args.heads && round % 2 == 0; ++head)
      keep.push_back(random.Below(slots + 1));
    std::vector<std::vector<float>> scores;
    const int kind = random.Below(4), stages = 1 + random.Below(kMaxStages);
    for (int s = 0; s < stages; ++s) {
      args.stages[s].share = random.Below(5) * 0.1;
      args.stages[s].reserved = round % 4 == 0 ? random.Below(12) : 0;
      scores.push_back(random.Normals(static_cast<size_t>(args.heads) * args.stride));
      for (float& x : scores.back()) {
        if (kind == 0) x = static_cast<float>(random.Below(3)) - 1.0f;  // many ties
        if (kind == 1) x = random.Below(2) ? 0.0f : -0.0f;              // zeros of both signs tie
        if (kind == 2) x = random.Below(5) ? x : (random.Below(2) ? INFINITY : -INFINITY);
      }
    }
    const Choice want = Choose(Reference(), TestStream(), args, scores, keep, fixed);
    for (const Ops* ops : Tables())
      for (Stream* stream : Streams()) {
        const Choice got = Choose(*ops, *stream, args, scores, keep, fixed);
        Expect(
            Label("%s select round %d tokens %d stages %d", ops->name, round, args.tokens, stages),
            got.kept == want.kept && got.counts == want.counts && got.nan_head == -1);
      }
  }
}

QPKV_TEST(SelectNan) {
  SelectArgs args{};
  args.heads = 3;
  args.tokens = 40;
  args.stride = 42;
  args.keep_each = 5;
  args.candidates_begin = 4;
  const std::vector<float> clean(3 * 42, 1.0f);
  std::vector<float> scores = clean;
  scores[0] = NAN;            // not a candidate
  scores[2 * 42 + 10] = NAN;  // head 2
  std::vector<const Ops*> all = Tables();
  all.push_back(&Reference());
  for (const Ops* ops : all) {
    args.candidates_end = 36;
    Expect(Label("%s nan", ops->name),
           Choose(*ops, TestStream(), args, {scores}, {}, {}).nan_head == 2);
    Expect(Label("%s nan in a later stage", ops->name),
           Choose(*ops, TestStream(), args, {clean, scores}, {}, {}).nan_head == 2);
    args.candidates_end = 9;
    Expect(Label("%s no nan", ops->name),
           Choose(*ops, TestStream(), args, {scores}, {}, {}).nan_head == -1);
  }
}

}  // namespace
}  // namespace qpkv
