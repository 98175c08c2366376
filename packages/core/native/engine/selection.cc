// See selection.h.
#include "engine/selection.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/head_shares.h"

namespace qpkv {
namespace {

void Smooth(Engine& engine, const LayerPlan& plan, const SelectionInput& input, int last,
            float* out) {
  SmoothScoresArgs args{};
  args.scores = input.scores;
  args.out = out;
  args.heads = input.heads;
  args.tokens = input.tokens - last;
  args.stride = input.tokens;
  args.kernel = plan.smooth.kernel;
  args.maximum = plan.smooth.maximum;
  args.count_zeros = plan.smooth.count_zeros;
  engine.ops.SmoothScores(engine.stream, args);
}

std::vector<float> DownloadRows(Engine& engine, const float* scores, const SelectionInput& input,
                                int columns) {
  std::vector<float> all(static_cast<size_t>(input.heads) * columns);
  for (int head = 0; head < input.heads && columns > 0; ++head)
    engine.Download(all.data() + static_cast<size_t>(head) * columns,
                    scores + static_cast<size_t>(head) * input.tokens, columns * sizeof(float));
  return all;
}

std::vector<int32_t> Range(int begin, int end) {
  std::vector<int32_t> all;
  for (int i = begin; i < end; ++i) all.push_back(i);
  return all;
}

// The kept tokens of every head, all equally many. `first_head`: for messages.
std::vector<std::vector<int32_t>> SelectEqually(Engine& engine, SelectArgs args, int layer,
                                                int first_head = 0) {
  const int total =
      args.candidates_begin - args.first_begin + args.keep + args.tokens - args.candidates_end;
  std::vector<int32_t> kept(static_cast<size_t>(args.heads) * total);
  int nan_head = -1;
  args.kept = kept.data();
  args.nan_head = &nan_head;
  engine.ops.Select(engine.stream, args);
  if (nan_head >= 0)
    throw Error("KV_NUMERIC", "The scores of layer " + std::to_string(layer) + ", head " +
                                  std::to_string(first_head + nan_head) + " hold NaN.");
  std::vector<std::vector<int32_t>> all;
  for (int head = 0; head < args.heads; ++head)
    all.emplace_back(kept.begin() + static_cast<long>(head) * total,
                     kept.begin() + static_cast<long>(head + 1) * total);
  return all;
}

// The same where the heads share places: each head's number comes first, then its best tokens.
std::vector<std::vector<int32_t>> SelectShared(Engine& engine, const HeadSharing& sharing,
                                               SelectArgs args, int layer) {
  const int count = args.candidates_end - args.candidates_begin;
  std::vector<float> candidates(static_cast<size_t>(args.heads) * count);
  for (int head = 0; head < args.heads; ++head)
    engine.Download(candidates.data() + static_cast<size_t>(head) * count,
                    args.scores + static_cast<size_t>(head) * args.stride + args.candidates_begin,
                    count * sizeof(float));
  for (size_t i = 0; i < candidates.size(); ++i) {
    const bool nan = std::isnan(candidates[i]);
    // Infinity over infinity is no share; unweighed it is only a score like others.
    if (nan || (sharing.weigh_top_share && std::isinf(candidates[i])))
      throw Error("KV_NUMERIC", "The scores of layer " + std::to_string(layer) + ", head " +
                                    std::to_string(i / count) + " hold " +
                                    (nan ? "NaN." : "infinity, which cannot be weighed."));
  }
  const std::vector<int> counts =
      ShareAmongHeads(candidates, args.heads, args.keep, args.lowest, sharing);
  std::vector<std::vector<int32_t>> all;
  for (int head = 0; head < args.heads; ++head) {
    SelectArgs own = args;
    own.scores = args.scores + static_cast<size_t>(head) * args.stride;
    own.heads = 1;
    own.keep = counts[static_cast<size_t>(head)];
    all.push_back(SelectEqually(engine, own, layer, head).front());
  }
  return all;
}

}  // namespace

Selection SelectTokens(Engine& engine, const LayerPlan& plan, const SelectionInput& input) {
  Selection result;
  const int tokens = input.tokens;
  // A query at position `tokens` sees window keys, itself included.
  const int begin = input.window > 0 ? std::max(0, tokens + 1 - input.window) : 0;
  const int last = std::min(plan.protect_last, tokens - begin);
  Buffer smoothed;
  const float* scores = input.scores;
  if (scores != nullptr && plan.smooth.kernel > 1 && tokens > last) {
    smoothed.Ensure(engine.device, static_cast<size_t>(input.heads) * tokens * sizeof(float));
    Smooth(engine, plan, input, last, smoothed.floats());
    scores = smoothed.floats();
  }
  if (input.want_smoothed && scores != nullptr)
    result.smoothed = DownloadRows(engine, scores, input, tokens - last);
  const int total = std::min(plan.per_head, tokens - begin);
  const int first = std::clamp(plan.protect_first - begin, 0, tokens - last - begin);
  const int keep = total - first - last;
  if (total == tokens - begin && !plan.order_by_score) {
    result.kept.assign(static_cast<size_t>(input.heads), Range(begin, tokens));
    return result;
  }
  if (keep < 0)
    throw Error("KV_BUDGET_TOO_SMALL", "Layer " + std::to_string(input.layer) + " may keep " +
                                           std::to_string(total) + " tokens but " +
                                           std::to_string(first + last) + " are protected.");
  // Nothing observed: all scores are equal, and ties go to the lower position.
  if (keep == 0 || scores == nullptr) {
    std::vector<int32_t> kept = Range(begin, begin + first + keep);
    const std::vector<int32_t> tail = Range(tokens - last, tokens);
    kept.insert(kept.end(), tail.begin(), tail.end());
    result.kept.assign(static_cast<size_t>(input.heads), kept);
    return result;
  }
  SelectArgs args{};
  args.scores = scores;
  args.heads = input.heads;
  args.tokens = tokens;
  args.stride = tokens;
  args.candidates_begin = begin + first;
  args.candidates_end = tokens - last;
  args.first_begin = begin;
  args.keep = keep;
  args.lowest = plan.prefer_lowest;
  args.by_score = plan.order_by_score;
  result.kept = plan.sharing.shared ? SelectShared(engine, plan.sharing, args, input.layer)
                                    : SelectEqually(engine, args, input.layer);
  return result;
}

}  // namespace qpkv
