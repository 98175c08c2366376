// See selection.h.
#include "engine/selection.h"

#include <algorithm>
#include <string>

#include "engine/residual_policy.h"

namespace qpkv {
namespace {

// Which tokens compete and which are protected.
struct Candidates {
  int begin, first, last;      // the first visible position; protected ones at both ends
  std::vector<int32_t> fixed;  // protected ones between
};

Candidates CandidatesOf(const LayerPlan& plan, const SelectionInput& input) {
  Candidates at;
  // A query at position `tokens` sees window keys, itself included.
  at.begin = input.window > 0 ? std::max(0, input.tokens + 1 - input.window) : 0;
  at.last = std::min(plan.protect_last, input.tokens - at.begin);
  at.first = std::clamp(plan.protect_first - at.begin, 0, input.tokens - at.last - at.begin);
  for (int32_t position : plan.protect_positions)
    if (position >= at.begin + at.first && position < input.tokens - at.last)
      at.fixed.push_back(position);
  return at;
}

std::vector<float> DownloadRows(Engine& engine, const float* scores, const SelectionInput& input,
                                int columns) {
  std::vector<float> all(static_cast<size_t>(input.heads) * columns);
  for (int head = 0; head < input.heads && columns > 0; ++head)
    engine.Download(all.data() + static_cast<size_t>(head) * columns,
                    scores + static_cast<size_t>(head) * input.tokens, columns * sizeof(float));
  return all;
}

[[noreturn]] void RefuseScores(int layer, int head, bool nan) {
  throw Error("KV_NUMERIC", "The scores of layer " + std::to_string(layer) + ", head " +
                                std::to_string(head) + " hold " +
                                (nan ? "NaN." : "infinity, which cannot be weighed."));
}

// Places of each head where they share them, on the device.
Buffer SharedPlaces(Engine& engine, const LayerPlan& plan, const SelectArgs& select, int layer) {
  Buffer keep(engine.device, sizeof(int32_t) * static_cast<size_t>(select.heads));
  int bad_head = -1;
  bool bad_is_nan = false;
  ShareHeadsArgs args{};
  args.scores = select.stages[0].scores;
  args.keep = static_cast<int32_t*>(keep.data());
  args.heads = select.heads;
  args.stride = select.stride;
  args.begin = select.candidates_begin;
  args.end = select.candidates_end;
  args.fixed = select.fixed;
  args.fixed_count = select.fixed_count;
  args.places = select.keep_each;
  args.floor = plan.sharing.floor;
  args.weigh_top_share = plan.sharing.weigh_top_share;
  args.round_each = plan.sharing.round_each;
  args.bad_head = OnHost(&bad_head);
  args.bad_is_nan = OnHost(&bad_is_nan);
  engine.ops.ShareHeads(engine.stream, args);
  if (bad_head >= 0) RefuseScores(layer, bad_head, bad_is_nan);
  return keep;
}

// Places of each head where the plan counts them apart; protected ones left out.
Buffer OwnPlaces(Engine& engine, const LayerPlan& plan, int reserved, int candidates) {
  std::vector<int32_t> places;
  for (int kept : plan.per_heads) places.push_back(std::clamp(kept - reserved, 0, candidates));
  Buffer keep(engine.device, sizeof(int32_t) * places.size());
  engine.Upload(keep.data(), places.data(), sizeof(int32_t) * places.size());
  return keep;
}

std::vector<std::vector<int32_t>> RunSelect(Engine& engine, SelectArgs args, int layer) {
  const int most = args.keep != nullptr
                       ? args.tokens - args.first_begin
                       : args.candidates_begin - args.first_begin + args.fixed_count +
                             args.keep_each + args.tokens - args.candidates_end;
  std::vector<int32_t> kept(static_cast<size_t>(args.heads) * most);
  std::vector<int32_t> counts(static_cast<size_t>(args.heads));
  int nan_head = -1;
  args.kept = OnHost(kept.data());
  args.kept_stride = most;
  args.kept_count = OnHost(counts.data());
  args.nan_head = OnHost(&nan_head);
  engine.ops.Select(engine.stream, args);
  if (nan_head >= 0) RefuseScores(layer, nan_head, true);
  std::vector<std::vector<int32_t>> all;
  for (int head = 0; head < args.heads; ++head) {
    const int32_t* begin = kept.data() + static_cast<size_t>(head) * most;
    all.emplace_back(begin, begin + counts[static_cast<size_t>(head)]);
  }
  return all;
}

// Where packed tokens lie in tiers: sinks, then the tiers and recent tokens. The best scores of the
// first stage go to the first tier, protected tokens before all others, ties to the lower position;
// within a tier tokens lie by position.
void AssignTiers(Engine& engine, const LayerPlan& plan, const SelectionInput& input,
                 const Candidates& at, std::vector<std::vector<int32_t>>* kept) {
  if (plan.Tiers() < 2 || input.stages.empty()) return;
  const std::vector<float> scores = DownloadRows(engine, input.stages.front(), input, input.tokens);
  for (size_t head = 0; head < kept->size(); ++head) {
    std::vector<int32_t>& tokens = (*kept)[head];
    const float* score = scores.data() + head * static_cast<size_t>(input.tokens);
    const auto protect = [&](int32_t t) {
      return t < at.begin + at.first || t >= input.tokens - at.last ||
             std::binary_search(at.fixed.begin(), at.fixed.end(), t);
    };
    for (int32_t t : tokens)
      if (!protect(t) && score[t] != score[t])
        RefuseScores(input.layer, static_cast<int>(head), true);
    const std::vector<int> counts =
        SegmentTokens(plan, Tensor::kKey, static_cast<int>(tokens.size()));
    const auto packed = std::find_if(plan.segments.begin(), plan.segments.end(),
                                     [](const SegmentPlan& s) { return s.role == Role::kPacked; });
    const size_t first = static_cast<size_t>(packed - plan.segments.begin());
    auto begin = tokens.begin() + (first == 0 ? 0 : counts[0]);
    std::sort(begin, tokens.end() - counts.back(), [&](int32_t a, int32_t b) {
      if (protect(a) != protect(b)) return protect(a);
      if (!protect(a) && score[a] != score[b]) return score[a] > score[b];
      return a < b;
    });
    for (size_t i = first; i + 1 < counts.size(); begin += counts[i++])
      std::sort(begin, begin + counts[i]);
  }
}

// Nothing observed: all scores are equal, and ties go to the lower position.
Buffer EqualScores(Engine& engine, const SelectionInput& input) {
  const size_t bytes = sizeof(float) * static_cast<size_t>(input.heads) * input.tokens;
  Buffer zeros(engine.device, bytes);
  engine.ops.Zero(engine.stream, zeros.data(), bytes);
  return zeros;
}

}  // namespace

Selection SelectTokens(Engine& engine, const LayerPlan& plan, const SelectionInput& input) {
  Selection result;
  const Candidates at = CandidatesOf(plan, input);
  const int visible = input.tokens - at.begin;
  if (input.want_scores && !input.stages.empty())
    result.scores = DownloadRows(engine, input.stages.front(), input, input.tokens - at.last);
  const int total = std::min(plan.per_head, visible);
  if (total == visible && plan.per_heads.empty() && !plan.order_by_score) {
    std::vector<int32_t> all;
    for (int t = at.begin; t < input.tokens; ++t) all.push_back(t);
    result.kept.assign(static_cast<size_t>(input.heads), all);
    AssignTiers(engine, plan, input, at, &result.kept);
    return result;
  }
  const int fixed = static_cast<int>(at.fixed.size()), reserved = at.first + at.last + fixed;
  const int fewest = plan.per_heads.empty()
                         ? total
                         : *std::min_element(plan.per_heads.begin(), plan.per_heads.end());
  if (fewest < reserved)
    throw Error("KV_BUDGET_TOO_SMALL", "Layer " + std::to_string(input.layer) + " may keep " +
                                           std::to_string(fewest) + " tokens but " +
                                           std::to_string(reserved) + " are protected.");
  std::vector<const float*> stages = input.stages;
  Buffer equal;
  if (stages.empty()) {
    equal = EqualScores(engine, input);
    stages = {equal.floats()};
  }
  SelectArgs args{};
  for (const float* scores : stages) {
    const size_t stage = static_cast<size_t>(args.stage_count++);
    args.stages[stage] = {scores, stage < plan.stages.size() ? plan.stages[stage].share : 1.0};
  }
  args.keep_each = total - reserved;
  args.fixed = OnHost(at.fixed.data());
  args.fixed_count = fixed;
  args.heads = input.heads;
  args.tokens = args.stride = input.tokens;
  args.candidates_begin = at.begin + at.first;
  args.candidates_end = input.tokens - at.last;
  args.first_begin = at.begin;
  args.by_score = plan.order_by_score;
  Buffer keep;
  if (!plan.per_heads.empty())
    keep = OwnPlaces(engine, plan, reserved, visible - reserved);
  else if (plan.sharing.shared)
    keep = SharedPlaces(engine, plan, args, input.layer);
  args.keep = static_cast<const int32_t*>(keep.data());
  result.kept = RunSelect(engine, args, input.layer);
  AssignTiers(engine, plan, input, at, &result.kept);
  return result;
}

}  // namespace qpkv
