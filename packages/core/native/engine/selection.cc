// See selection.h.
#include "engine/selection.h"

#include <algorithm>
#include <cmath>
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
  at.last = std::min(plan.protect.last, input.tokens - at.begin);
  at.first = std::clamp(plan.protect.first - at.begin, 0, input.tokens - at.last - at.begin);
  if (plan.protect.positions)
    for (int32_t position : *plan.protect.positions)
      if (position >= at.begin + at.first && position < input.tokens - at.last)
        at.fixed.push_back(position);
  return at;
}

std::vector<float> DownloadRows(Engine& engine, const float* scores, const SelectionInput& input,
                                int columns) {
  std::vector<float> all(Elements(input.heads, columns));
  for (int head = 0; head < input.heads && columns > 0; ++head)
    engine.Download(all.data() + Elements(head, columns), scores + Elements(head, input.tokens),
                    columns * sizeof(float));
  return all;
}

[[noreturn]] void RefuseScores(int layer, int head, bool nan) {
  throw Error("KV_NUMERIC", "The scores of layer " + std::to_string(layer) + ", head " +
                                std::to_string(head) + " hold " +
                                (nan ? "NaN." : "infinity, which cannot be weighed."));
}

// Slots that a head keeps whatever its scores are, beside the protected tokens, which count too.
int LeastOf(double floor, int slots, int reserved) {
  return std::max(0, static_cast<int>(floor * (slots + reserved) + 1e-9) - reserved);
}

// Slots of each head where they share them, on the device.
// total: of all heads, 0 for equal parts of select.keep_each; reserved: protected tokens of a head.
Buffer SharedSlots(Engine& engine, const LayerPlan& plan, const SelectArgs& select, int layer,
                   int64_t total, int reserved) {
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
  args.slots = select.keep_each;
  args.total = total;
  const plan::TokenShare& tokens = plan.tokens;
  args.least = tokens.guard ? LeastOf(tokens.floor, args.slots, reserved) : -1;
  args.floor = tokens.floor;
  args.weigh_top_share = tokens.weigh.has_value();
  args.round_each = tokens.rounding.has_value();
  args.bad_head = OnHost(&bad_head);
  args.bad_is_nan = OnHost(&bad_is_nan);
  engine.ops.ShareHeads(engine.stream, args);
  if (bad_head >= 0) RefuseScores(layer, bad_head, bad_is_nan);
  return keep;
}

// Slots of each head where the plan counts them apart; protected ones left out.
Buffer OwnSlots(Engine& engine, const LayerPlan& plan, int reserved, int candidates) {
  std::vector<int32_t> slots;
  for (int kept : *TokensByHead(plan)) slots.push_back(std::clamp(kept - reserved, 0, candidates));
  Buffer keep(engine.device, sizeof(int32_t) * slots.size());
  engine.Upload(keep.data(), slots.data(), sizeof(int32_t) * slots.size());
  return keep;
}

std::vector<std::vector<int32_t>> RunSelect(Engine& engine, SelectArgs args, int layer) {
  const int most = args.keep != nullptr
                       ? args.tokens - args.first_begin
                       : args.candidates_begin - args.first_begin + args.fixed_count +
                             args.keep_each + args.tokens - args.candidates_end;
  std::vector<int32_t> kept(Elements(args.heads, most));
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
    const int32_t* begin = kept.data() + Elements(head, most);
    all.emplace_back(begin, begin + counts[head]);
  }
  return all;
}

// Where packed tokens lie in tiers: sinks, then the tiers and recent tokens. The best scores of the
// first stage go to the first tier, protected tokens before all others, ties to the lower position;
// within a tier tokens lie by position.
void AssignTiers(Engine& engine, const LayerPlan& plan, const SelectionInput& input,
                 const Candidates& at, std::vector<std::vector<int32_t>>* kept) {
  if (Tiers(plan) < 2 || input.stages.empty()) return;
  const std::vector<float> scores = DownloadRows(engine, input.stages.front(), input, input.tokens);
  for (size_t head = 0; head < kept->size(); ++head) {
    std::vector<int32_t>& tokens = (*kept)[head];
    const float* score = scores.data() + Elements(head, input.tokens);
    const auto protect = [&](int32_t t) {
      return t < at.begin + at.first || t >= input.tokens - at.last ||
             std::binary_search(at.fixed.begin(), at.fixed.end(), t);
    };
    for (int32_t t : tokens)
      if (!protect(t) && score[t] != score[t])
        RefuseScores(input.layer, static_cast<int>(head), true);
    const std::vector<int> counts =
        SegmentTokens(plan, Tensor::kKey, static_cast<int>(tokens.size()), head);
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

// Takes out what was chosen and is not there, then assigns tiers to the rest.
void Arrange(Engine& engine, const LayerPlan& plan, const SelectionInput& input,
             const Candidates& at, std::vector<std::vector<int32_t>>* kept) {
  for (size_t head = 0; input.held != nullptr && head < kept->size(); ++head) {
    const std::vector<int32_t>& held = (*input.held)[head];
    std::vector<int32_t>& tokens = (*kept)[head];
    tokens.erase(
        std::remove_if(tokens.begin(), tokens.end(),
                       [&](int32_t t) { return !std::binary_search(held.begin(), held.end(), t); }),
        tokens.end());
  }
  AssignTiers(engine, plan, input, at, kept);
}

// Nothing observed: all scores are equal, and ties go to the lower position.
Buffer EqualScores(Engine& engine, const SelectionInput& input) {
  const size_t bytes = sizeof(float) * Elements(input.heads, input.tokens);
  Buffer zeros(engine.device, bytes);
  engine.ops.Zero(engine.stream, zeros.data(), bytes);
  return zeros;
}

// What SelectArgs says of a layer before it is known how many tokens each head keeps.
SelectArgs ArgsOf(const LayerPlan& plan, const SelectionInput& input, const Candidates& at) {
  const int fixed = static_cast<int>(at.fixed.size()), reserved = at.first + at.last + fixed;
  SelectArgs args{};
  for (const float* scores : input.stages) {
    const size_t stage = static_cast<size_t>(args.stage_count++);
    const bool planned = stage < plan.stages.size();
    args.stages[stage] = {scores, planned ? plan.stages[stage].share : 1.0,
                          planned && plan.stages[stage].of ? reserved : 0};
  }
  args.fixed = OnHost(at.fixed.data());
  args.fixed_count = fixed;
  args.heads = input.heads;
  args.tokens = args.stride = input.tokens;
  args.candidates_begin = at.begin + at.first;
  args.candidates_end = input.tokens - at.last;
  args.first_begin = at.begin;
  args.by_score = OrdersByScore(plan);
  return args;
}

// Takes out what is left of blocks that are not kept whole; protected tokens stay.
void DropPartBlocks(const SelectArgs& args, int whole, std::vector<int32_t>* kept) {
  const auto begin_of = [&](int32_t t) {
    return std::max(t / whole * whole, args.candidates_begin);
  };
  const auto end_of = [&](int32_t t) {
    return std::min((t / whole + 1) * whole, args.candidates_end);
  };
  std::vector<int> found(static_cast<size_t>(args.tokens / whole + 1), 0);
  const auto competes = [&](int32_t t) {
    return t >= args.candidates_begin && t < args.candidates_end;
  };
  for (int32_t t : *kept)
    if (competes(t)) ++found[t / whole];
  kept->erase(std::remove_if(kept->begin(), kept->end(),
                             [&](int32_t t) {
                               return competes(t) && found[t / whole] < end_of(t) - begin_of(t);
                             }),
              kept->end());
}

std::vector<std::vector<int32_t>> Choose(Engine& engine, const LayerPlan& plan, SelectArgs args,
                                         int layer) {
  auto kept = RunSelect(engine, args, layer);
  if (plan.whole)
    for (auto& head : kept) DropPartBlocks(args, *plan.whole, &head);
  return kept;
}

void RefuseFewer(int layer, int fewest, int reserved) {
  if (fewest >= reserved) return;
  throw Error("KV_BUDGET_TOO_SMALL", "Layer " + std::to_string(layer) + " may keep " +
                                         std::to_string(fewest) + " tokens but " +
                                         std::to_string(reserved) + " are protected.");
}

int FewestOf(const LayerPlan& plan, int visible) {
  const std::vector<int>* heads = TokensByHead(plan);
  return heads ? *std::min_element(heads->begin(), heads->end())
               : std::min(MostTokens(plan), visible);
}

}  // namespace

Selection SelectTokens(Engine& engine, const LayerPlan& plan, const SelectionInput& input) {
  Selection result;
  const Candidates at = CandidatesOf(plan, input);
  const int visible = input.tokens - at.begin;
  if (input.want_scores && !input.stages.empty())
    result.scores = DownloadRows(engine, input.stages.front(), input, input.tokens - at.last);
  const int total = std::min(MostTokens(plan), visible);
  if (total == visible && TokensByHead(plan) == nullptr && !OrdersByScore(plan)) {
    std::vector<int32_t> all;
    for (int t = at.begin; t < input.tokens; ++t) all.push_back(t);
    result.kept.assign(static_cast<size_t>(input.heads), all);
    Arrange(engine, plan, input, at, &result.kept);
    return result;
  }
  const int reserved = at.first + at.last + static_cast<int>(at.fixed.size());
  RefuseFewer(input.layer, FewestOf(plan, visible), reserved);
  SelectionInput scored = input;
  Buffer equal;
  if (scored.stages.empty()) {
    equal = EqualScores(engine, input);
    scored.stages = {equal.floats()};
  }
  SelectArgs args = ArgsOf(plan, scored, at);
  args.keep_each = total - reserved;
  Buffer keep;
  if (TokensByHead(plan) != nullptr)
    keep = OwnSlots(engine, plan, reserved, visible - reserved);
  else if (SharesSlots(plan))
    keep = SharedSlots(engine, plan, args, input.layer, 0, reserved);
  args.keep = static_cast<const int32_t*>(keep.data());
  result.kept = Choose(engine, plan, args, input.layer);
  Arrange(engine, plan, input, at, &result.kept);
  return result;
}

namespace {

// A layer's scores as rows of a table in which all layers compete: what does not compete here is
// worth nothing.
void CopyCandidates(Engine& engine, const LayerToSelect& layer, const Candidates& at, float* to) {
  const SelectionInput& input = layer.input;
  ScoreOperationArgs args{};
  args.op = ScoreOp::kConstant;
  args.options[score_ops::constant::kFirst] = at.begin + at.first;
  args.options[score_ops::constant::kLast] = at.last;
  // Where heads are weighed no score is below 0.
  args.options[score_ops::constant::kValue] = layer.plan->tokens.weigh ? 0.0 : -INFINITY;
  args.of[0] = input.stages.front();
  args.count = 1;
  args.rows = args.out_rows = input.heads;
  args.tokens = args.scored = input.tokens;
  args.out = to;
  engine.ops.ScoreOperation(engine.stream, args);
}

// Slots of a head are at most its candidates: others of the table may have been counted to it.
void ClampSlots(Engine& engine, int heads, int most, int32_t* keep) {
  std::vector<int32_t> slots(static_cast<size_t>(heads));
  const size_t bytes = sizeof(int32_t) * slots.size();
  engine.Download(slots.data(), keep, bytes);
  for (int32_t& n : slots) n = std::min(n, most);
  engine.Upload(keep, slots.data(), bytes);
}

int64_t PlacesOf(const LayerPlan& plan, int heads, int reserved, int visible) {
  int64_t total = 0;
  for (int head = 0; head < heads; ++head) {
    const std::vector<int>* heads_of_plan = TokensByHead(plan);
    const int kept = heads_of_plan ? (*heads_of_plan)[head] : MostTokens(plan);
    total += std::min(kept, visible) - reserved;
  }
  return total;
}

int ReservedOf(const Candidates& at) {
  return at.first + at.last + static_cast<int>(at.fixed.size());
}

}  // namespace

std::vector<std::vector<std::vector<int32_t>>> SelectOverLayers(
    Engine& engine, const std::vector<LayerToSelect>& layers) {
  std::vector<std::vector<std::vector<int32_t>>> kept(layers.size());
  std::vector<size_t> pool;
  for (size_t l = 0; l < layers.size(); ++l)
    if (SharesOverLayers(*layers[l].plan) && !layers[l].input.stages.empty())
      pool.push_back(l);
    else
      kept[l] = SelectTokens(engine, *layers[l].plan, layers[l].input).kept;
  if (pool.empty()) return kept;
  const LayerToSelect& first = layers[pool.front()];
  const int tokens = first.input.tokens, heads = first.input.heads;
  const size_t row = Elements(heads, tokens);
  Buffer table(engine.device, sizeof(float) * row * pool.size());
  std::vector<Candidates> at;
  Candidates all{tokens, 0, tokens, {}};
  int64_t total = 0;
  int reserved = tokens;
  for (size_t i = 0; i < pool.size(); ++i) {
    const auto& [plan, input] = layers[pool[i]];
    at.push_back(CandidatesOf(*plan, input));
    const Candidates& own = at.back();
    if (own.fixed != at.front().fixed)
      throw Error("KV_UNSUPPORTED",
                  "tokens.pool: 'model' needs layers that protect the same "
                  "positions by name; layer " +
                      std::to_string(input.layer) + " protects others.");
    RefuseFewer(input.layer, FewestOf(*plan, tokens - own.begin), ReservedOf(own));
    total += PlacesOf(*plan, heads, ReservedOf(own), tokens - own.begin);
    CopyCandidates(engine, layers[pool[i]], own, table.floats() + row * i);
    all.begin = std::min(all.begin, own.begin + own.first);
    all.last = std::min(all.last, own.last);
    reserved = std::min(reserved, ReservedOf(own));
  }
  all.fixed = at.front().fixed;
  SelectionInput rows = first.input;
  rows.heads = heads * static_cast<int>(pool.size());
  rows.stages = {table.floats()};
  SelectArgs shared = ArgsOf(*first.plan, rows, all);
  shared.keep_each = static_cast<int>(total / rows.heads);
  const Buffer keep = SharedSlots(engine, *first.plan, shared, first.input.layer, total, reserved);
  for (size_t i = 0; i < pool.size(); ++i) {
    const auto& [plan, input] = layers[pool[i]];
    SelectArgs own = ArgsOf(*plan, input, at[i]);
    int32_t* const slots = static_cast<int32_t*>(keep.data()) + Elements(heads, i);
    ClampSlots(engine, heads, tokens - at[i].begin - ReservedOf(at[i]), slots);
    own.keep = slots;
    kept[pool[i]] = Choose(engine, *plan, own, input.layer);
    Arrange(engine, *plan, input, at[i], &kept[pool[i]]);
  }
  return kept;
}

}  // namespace qpkv
