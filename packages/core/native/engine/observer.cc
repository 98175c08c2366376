// See observer.h.
#include "engine/observer.h"

namespace qpkv {

PlanHandles WantPlan(Observer& observer, const LayerPlan& plan, int stored_heads, int user_end) {
  const ScoreScope scope = {stored_heads, plan.protect.last, user_end};
  PlanHandles handles;
  for (const plan::SelectionStage& stage : plan.stages)
    handles.stages.push_back(observer.Want(*stage.score, scope));
  if (EvictionByScore(plan) != nullptr && !MeasuresAnew(plan))
    handles.evict = observer.Want(*EvictionByScore(plan)->by, scope);
  return handles;
}

std::vector<PlanHandles> WantPlans(Observer& observer, const std::vector<CompressionPlan>& plans,
                                   int layer, LayerShape shape) {
  std::vector<PlanHandles> handles;
  for (const CompressionPlan& plan : plans) {
    shape.per_query_head = StoresQueryHeads(plan);
    handles.push_back(
        WantPlan(observer, plan.layers[layer], shape.stored_heads(), plan.user_end.value_or(0)));
  }
  return handles;
}

Observation ObservationOf(const std::shared_ptr<Engine>& engine,
                          const std::vector<CompressionPlan>& plans, int layer, LayerShape shape,
                          int tokens) {
  Observer observer(engine, shape, tokens, ObservedModel{});
  WantPlans(observer, plans, layer, shape);
  return {observer.bytes(), observer.reads()};
}

}  // namespace qpkv
