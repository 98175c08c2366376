// Reference ShareHeads and Select: sorted lists.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "reference/dense_ops.h"

namespace qpkv {
namespace reference {
namespace {

// Sum of a head's `slots` best scores over the sum of all; 0 where all are 0.
double TopShare(std::vector<double> scores, int slots) {
  const double total = std::accumulate(scores.begin(), scores.end(), 0.0);
  std::sort(scores.begin(), scores.end(), std::greater<double>());
  return total == 0 ? 0 : std::accumulate(scores.begin(), scores.begin() + slots, 0.0) / total;
}

// How many of the best `total` scores each head holds: equal ones in the order of heads and
// positions.
std::vector<int> BestShares(const std::vector<std::vector<double>>& scores, int slots,
                            const ShareHeadsArgs& args) {
  std::vector<std::pair<double, int>> all;
  for (int head = 0; head < args.heads; ++head) {
    const double weight = args.weigh_top_share ? TopShare(scores[head], slots) : 1;
    std::vector<double> own = scores[head];
    // What a head keeps in any case counts more than anything else.
    std::vector<size_t> order(own.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return own[a] > own[b]; });
    for (double& score : own) score *= weight;
    for (size_t i = 0; i < order.size() && static_cast<int>(i) < args.least; ++i)
      own[order[i]] = INFINITY;
    for (double score : own) all.push_back({score, head});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<int> shares(static_cast<size_t>(args.heads), 0);
  for (int64_t i = 0; i < args.total; ++i) ++shares[all[static_cast<size_t>(i)].second];
  return shares;
}

}  // namespace

void ShareHeads(Stream&, const ShareHeadsArgs& given) {
  ShareHeadsArgs args = given;
  if (args.total == 0) args.total = static_cast<int64_t>(args.heads) * args.slots;
  const int count = args.end - args.begin - args.fixed_count;
  const int32_t *fixed = args.fixed.get(), *fixed_end = fixed + args.fixed_count;
  std::vector<std::vector<double>> scores(static_cast<size_t>(args.heads));
  *args.bad_head.get() = -1;
  for (int head = 0; head < args.heads; ++head) {
    for (int t = args.begin; t < args.end; ++t)
      if (std::find(fixed, fixed_end, t) == fixed_end)
        scores[head].push_back(args.scores[static_cast<size_t>(head) * args.stride + t]);
    for (double x : scores[head]) {
      if (*args.bad_head.get() >= 0 || !(std::isnan(x) || (args.weigh_top_share && std::isinf(x))))
        continue;
      *args.bad_head.get() = head;
      *args.bad_is_nan.get() = std::isnan(x);
    }
  }
  if (*args.bad_head.get() >= 0) return;
  const bool all = args.total >= static_cast<int64_t>(args.heads) * count;
  std::fill_n(args.keep, args.heads, all ? count : 0);
  if (args.total <= 0 || all) return;
  const std::vector<int> shares = BestShares(scores, args.slots, args);
  std::vector<double> rests;
  int64_t missing = args.total;
  for (int head = 0; head < args.heads; ++head) {
    if (args.least >= 0) {
      args.keep[head] = shares[head];
      continue;
    }
    if (args.round_each) {
      const double wanted = shares[head] * (1 - args.floor) + std::trunc(args.slots * args.floor);
      args.keep[head] = std::min(count, static_cast<int>(std::nearbyint(wanted)));
      continue;
    }
    const double equal = static_cast<double>(args.total) / args.heads;
    const double wanted = args.floor * equal + (1 - args.floor) * shares[head];
    args.keep[head] = static_cast<int>(std::floor(wanted));
    rests.push_back(wanted - std::floor(wanted));
    missing -= args.keep[head];
  }
  if (args.round_each || args.least >= 0) return;
  std::vector<int> order(static_cast<size_t>(args.heads));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return rests[a] > rests[b]; });
  for (int64_t i = 0; i < missing; ++i) ++args.keep[order[static_cast<size_t>(i)]];
}

namespace {

// The candidates that each stage takes, in the order in which they are stored by score.
std::vector<int32_t> TakeStages(const SelectArgs& args, int head) {
  std::vector<int32_t> left(static_cast<size_t>(args.candidates_end - args.candidates_begin));
  std::iota(left.begin(), left.end(), args.candidates_begin);
  for (int i = 0; i < args.fixed_count; ++i)
    left.erase(std::remove(left.begin(), left.end(), args.fixed.get()[i]), left.end());
  const int keep = args.keep ? args.keep[head] : args.keep_each;
  std::vector<int32_t> taken;
  for (int s = 0; s < args.stage_count; ++s) {
    const float* scores = args.stages[s].scores + static_cast<size_t>(head) * args.stride;
    const int rest = keep - static_cast<int>(taken.size());
    const int slots =
        s + 1 == args.stage_count
            ? rest
            : std::min(
                  rest,
                  std::max(0, static_cast<int>(std::floor(
                                  args.stages[s].share * (keep + args.stages[s].reserved) + 1e-9)) -
                                  args.stages[s].reserved));
    std::vector<int32_t> order = left;
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return scores[a] > scores[b]; });
    order.resize(static_cast<size_t>(std::max(slots, 0)));
    for (int32_t t : order) left.erase(std::remove(left.begin(), left.end(), t), left.end());
    taken.insert(taken.end(), order.begin(), order.end());
  }
  return taken;
}

bool HasNan(const SelectArgs& args, int head) {
  for (int s = 0; s < args.stage_count; ++s)
    for (int t = args.candidates_begin; t < args.candidates_end; ++t)
      if (std::isnan(args.stages[s].scores[static_cast<size_t>(head) * args.stride + t]))
        return true;
  return false;
}

}  // namespace

void Select(Stream&, const SelectArgs& args) {
  *args.nan_head.get() = -1;
  for (int head = args.heads - 1; head >= 0; --head)
    if (HasNan(args, head)) *args.nan_head.get() = head;
  if (*args.nan_head.get() >= 0) return;
  for (int head = 0; head < args.heads; ++head) {
    std::vector<int32_t> kept(args.fixed.get(), args.fixed.get() + args.fixed_count);
    const std::vector<int32_t> taken = TakeStages(args, head);
    kept.insert(kept.end(), taken.begin(), taken.end());
    if (!args.by_score) std::sort(kept.begin(), kept.end());
    int32_t* out = args.kept.get() + static_cast<size_t>(head) * args.kept_stride;
    int32_t* const begin = out;
    for (int t = args.first_begin; t < args.candidates_begin; ++t) *out++ = t;
    out = std::copy(kept.begin(), kept.end(), out);
    for (int t = args.candidates_end; t < args.tokens; ++t) *out++ = t;
    args.kept_count.get()[head] = static_cast<int32_t>(out - begin);
  }
}

}  // namespace reference
}  // namespace qpkv
