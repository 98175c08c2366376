// See lowest_anew.h.
#include "engine/lowest_anew.h"

#include <algorithm>

#include "engine/observe_layer.h"
#include "engine/part_export.h"

namespace qpkv {
namespace {

// Valid slots of a head by position, oldest first.
std::vector<int> LiveSlots(const HeadTokens& tokens) {
  std::vector<int> live;
  for (size_t i = 0; i < tokens.valid.size(); ++i)
    if (tokens.valid[i]) live.push_back(static_cast<int>(i));
  std::sort(live.begin(), live.end(), [&](int a, int b) {
    return tokens.positions[static_cast<size_t>(a)] < tokens.positions[static_cast<size_t>(b)];
  });
  return live;
}

// Appends the rows of these slots, as they read back: [slots, headDim].
void AppendRows(Engine& engine, const CachedTokens& cached, int head, Tensor tensor,
                const std::vector<int>& slots, std::vector<float>* rows) {
  const std::vector<float> all = ReadValues(engine, cached.store, head, tensor);
  const long dim = cached.shape.head_dim;
  for (int slot : slots)
    rows->insert(rows->end(), all.begin() + slot * dim, all.begin() + (slot + 1) * dim);
}

// The first live tokens that are kept whatever they score.
int KeptFirst(const LayerPlan& plan, const HeadTokens& tokens, const std::vector<int>& live) {
  return static_cast<int>(std::count_if(live.begin(), live.end(), [&](int slot) {
    return tokens.positions[static_cast<size_t>(slot)] < plan.protect.first;
  }));
}

}  // namespace

int QueriesOf(const ScoreNode& score) {
  int most = 0;
  for (const auto& part : score.of) most = std::max(most, QueriesOf(*part));
  if (score.statistic == nullptr) return most;
  const StatisticDescriptor& about = *score.statistic->about;
  if ((about.reads & ~(kReadQueries | kReadKeys | kReadValues)) != 0)
    throw Error("KV_UNSUPPORTED", std::string("The statistic '") + about.name +
                                      "' reads what a cache does not hold, so that it cannot be "
                                      "measured anew in decode.");
  for (int i = 0, slot = 0; i < about.option_count; slot += SlotsOf(about.options[i]), ++i) {
    if (about.options[i].kind != OptionKind::kQueries) continue;
    const int last = static_cast<int>(score.options[static_cast<size_t>(slot)]);
    if (last == 0)
      throw Error("KV_UNSUPPORTED", std::string("The statistic '") + about.name +
                                        "' looks at all queries; decode keeps the newest only.");
    most = std::max(most, last);
  }
  return most;
}

std::vector<std::vector<int>> LowestAnew(const std::shared_ptr<Engine>& engine,
                                         const LayerPlan& plan, const CachedTokens& cached) {
  const plan::ScoreEviction& evict = *EvictionByScore(plan);
  const LayerShape& shape = cached.shape;
  std::vector<std::vector<int>> leaving(cached.tokens.size());
  std::vector<std::vector<int>> live;
  for (const HeadTokens& head : cached.tokens) live.push_back(LiveSlots(head));
  const int count = static_cast<int>(live[0].size());
  if (count < evict.capacity + evict.every) return leaving;
  LayerInput input;
  input.shape = shape;
  input.tokens = count;
  input.score = evict.by;
  input.protect_last = plan.protect.last;
  input.logit_scale = cached.logit_scale;
  input.q = cached.queries.Get();
  input.first_query = count - static_cast<int>(input.q.size()) / cached.queries.width();
  for (int head = 0; head < shape.stored_heads(); ++head) {
    const std::vector<int>& slots = live[static_cast<size_t>(head)];
    AppendRows(*engine, cached, head, Tensor::kKey, slots, &input.k);
    AppendRows(*engine, cached, head, Tensor::kValue, slots, &input.v);
  }
  const std::vector<float> scores = ObserveLayer(engine, input);
  for (int head = 0; head < shape.stored_heads(); ++head) {
    const std::vector<int>& slots = live[static_cast<size_t>(head)];
    const float* own = scores.data() + static_cast<size_t>(head) * count;
    std::vector<int> order;  // tokens that may leave, counted among the live ones
    for (int i = KeptFirst(plan, cached.tokens[static_cast<size_t>(head)], slots);
         i < count - plan.protect.last; ++i) {
      if (own[i] != own[i])
        throw Error("KV_NUMERIC", "A score that is measured anew in decode is not a number.");
      order.push_back(i);
    }
    std::sort(order.begin(), order.end(),
              [&](int a, int b) { return own[a] != own[b] ? own[a] < own[b] : a > b; });
    order.resize(std::min(order.size(), static_cast<size_t>(count - evict.capacity)));
    for (int i : order) leaving[static_cast<size_t>(head)].push_back(slots[static_cast<size_t>(i)]);
  }
  return leaving;
}

}  // namespace qpkv
