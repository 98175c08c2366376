// ObserveKeys, GroupScores, SmoothScores and Select of every table against the reference.
#include <algorithm>
#include <cmath>

#include "test/harness.h"

namespace qpkv {
namespace {

QPKV_TEST(ObserveKeys) {
  Random random(21);
  for (int dim : {8, 32, 40, 128, 256})
    for (int tokens : {1, 15, 200})
      for (KeyScore score : {KeyScore::kNorm, KeyScore::kSimilarity}) {
        const int heads = 3, capacity = tokens + 4;
        std::vector<float> k = random.Normals(static_cast<size_t>(heads) * capacity * dim);
        for (float& x : k) x += 0.3f;  // so that the mean direction is not noise
        std::fill(k.begin(), k.begin() + dim, 0.0f);
        std::vector<float> want(static_cast<size_t>(heads) * tokens), got(want.size());
        Reference().ObserveKeys(TestStream(),
                                {k.data(), want.data(), heads, tokens, dim, capacity, score});
        for (const Ops* ops : Tables()) {
          ops->ObserveKeys(TestStream(),
                           {k.data(), got.data(), heads, tokens, dim, capacity, score});
          ExpectNear(Label("%s observe keys dim %d tokens %d", ops->name, dim, tokens), got.data(),
                     want.data(), got.size(), 2e-6);
        }
      }
}

bool Same(float a, float b, double bound) {
  return (std::isnan(a) && std::isnan(b)) || std::fabs(static_cast<double>(a) - b) <= bound;
}

QPKV_TEST(GroupScores) {
  Random random(22);
  for (int tokens : {1, 16, 77})
    for (int group : {1, 2, 3, 8})
      for (Reduce reduce : {Reduce::kMean, Reduce::kMax, Reduce::kSum}) {
        const int heads = 4;
        std::vector<float> mass = random.Normals(static_cast<size_t>(heads) * group * tokens);
        mass[tokens / 2] = NAN;
        mass.back() = NAN;
        std::vector<float> want(static_cast<size_t>(heads) * tokens), got(want.size());
        Reference().GroupScores(TestStream(),
                                {mass.data(), want.data(), heads, group, tokens, reduce, 0.3f});
        for (const Ops* ops : Tables()) {
          ops->GroupScores(TestStream(),
                           {mass.data(), got.data(), heads, group, tokens, reduce, 0.3f});
          for (size_t i = 0; i < got.size(); ++i)
            Expect(Label("%s group scores %zu: %g for %g", ops->name, i, got[i], want[i]),
                   Same(got[i], want[i], 2e-6));
        }
      }
}

QPKV_TEST(SmoothScores) {
  Random random(23);
  for (int tokens : {1, 3, 16, 50})
    for (int kernel : {1, 3, 5, 7, 13})
      for (bool maximum : {false, true})
        for (bool count_zeros : {false, true}) {
          const int heads = 2, stride = tokens + 3;
          std::vector<float> scores = random.Normals(static_cast<size_t>(heads) * stride);
          if (tokens == 50) scores[20] = NAN;
          std::vector<float> want(scores.size(), -7.0f);
          Reference().SmoothScores(TestStream(), {scores.data(), want.data(), heads, tokens, stride,
                                                  kernel, maximum, count_zeros});
          for (const Ops* ops : Tables()) {
            std::vector<float> got(scores.size(), -7.0f);
            ops->SmoothScores(TestStream(), {scores.data(), got.data(), heads, tokens, stride,
                                             kernel, maximum, count_zeros});
            for (size_t i = 0; i < got.size(); ++i)
              Expect(Label("%s smooth %zu: %g for %g", ops->name, i, got[i], want[i]),
                     Same(got[i], want[i], 2e-6));
          }
        }
}

struct Choice {
  std::vector<int32_t> kept;
  int nan_head;
};
Choice Choose(const Ops& ops, Stream& stream, const std::vector<float>& scores, int heads,
              int tokens, int begin, int end, int first, int keep, bool lowest, bool by_score) {
  Choice choice;
  choice.kept.assign(static_cast<size_t>(heads) * (begin - first + keep + tokens - end), -1);
  ops.Select(stream, {scores.data(), choice.kept.data(), heads, tokens, tokens + 2, begin, end,
                      first, keep, lowest, by_score, &choice.nan_head});
  return choice;
}

QPKV_TEST(Select) {
  Random random(24);
  for (int round = 0; round < 300; ++round) {
    const int heads = 1 + random.Below(4), tokens = 1 + random.Below(round < 200 ? 80 : 3000);
    const int first = random.Below(tokens), begin = first + random.Below(tokens - first);
    const int end = begin + random.Below(tokens - begin + 1), keep = random.Below(end - begin + 1);
    const bool lowest = random.Below(2), by_score = random.Below(2);
    std::vector<float> scores = random.Normals(static_cast<size_t>(heads) * (tokens + 2));
    const int kind = random.Below(4);
    for (float& x : scores) {
      if (kind == 0) x = static_cast<float>(random.Below(3)) - 1.0f;  // many ties
      if (kind == 1) x = random.Below(2) ? 0.0f : -0.0f;              // zeros of both signs tie
      if (kind == 2) x = random.Below(5) ? x : (random.Below(2) ? INFINITY : -INFINITY);
    }
    const Choice want = Choose(Reference(), TestStream(), scores, heads, tokens, begin, end, first,
                               keep, lowest, by_score);
    for (const Ops* ops : Tables())
      for (Stream* stream : Streams()) {
        const Choice got =
            Choose(*ops, *stream, scores, heads, tokens, begin, end, first, keep, lowest, by_score);
        Expect(Label("%s select round %d tokens %d keep %d", ops->name, round, tokens, keep),
               got.kept == want.kept && got.nan_head == -1);
      }
  }
}

QPKV_TEST(SelectNan) {
  const int heads = 3, tokens = 40;
  std::vector<float> scores(static_cast<size_t>(heads) * (tokens + 2), 1.0f);
  scores[0] = NAN;                      // not a candidate
  scores[2 * (tokens + 2) + 10] = NAN;  // head 2
  std::vector<const Ops*> all = Tables();
  all.push_back(&Reference());
  for (const Ops* ops : all) {
    Expect(
        Label("%s nan", ops->name),
        Choose(*ops, TestStream(), scores, heads, tokens, 4, 36, 0, 5, false, false).nan_head == 2);
    Expect(
        Label("%s no nan", ops->name),
        Choose(*ops, TestStream(), scores, heads, tokens, 4, 8, 0, 2, false, false).nan_head == -1);
  }
}

}  // namespace
}  // namespace qpkv
