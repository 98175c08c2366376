// Measures what plans want to see of one layer while its queries pass by, and gives each its
// scores; what several plans have in common is measured and computed once.
#pragma once
#include <memory>
#include <vector>

#include "engine/measurements.h"
#include "engine/plan.h"
#include "engine/score_expression.h"

namespace qpkv {

class Observer {
 public:
  Observer(std::shared_ptr<Engine> engine, LayerShape shape, int tokens, ObservedModel model)
      : measurements_(engine, shape, tokens, model),
        graph_(std::move(engine), tokens, &measurements_) {}

  // Wishes come first. Returns a handle for Scores().
  int Want(const ScoreNode& score, const ScoreScope& scope) { return graph_.Want(score, scope); }
  uint32_t reads() const { return measurements_.reads(); }                 // of Reading
  size_t bytes() const { return measurements_.bytes() + graph_.bytes(); }  // that it takes
  void Start() { measurements_.Start(); }  // when all wishes are known

  // Chunks in order; `so_far` holds the tokens of this and earlier ones.
  void AddChunk(const QueryChunk& chunk, const LayerTensors& so_far) {
    measurements_.AddChunk(chunk, so_far);
  }
  void AddReplay(const ReplayChunk& chunk, const LayerTensors& all) {
    measurements_.AddReplay(chunk, all);
  }
  void Finish(const LayerTensors& all) { measurements_.Finish(all); }

  // [stored heads, tokens] on the device, valid as long as the observer.
  const float* Scores(int handle) { return graph_.Evaluate(handle); }

 private:
  Measurements measurements_;
  ScoreGraph graph_;
};

// The handles of one plan's layer.
struct PlanHandles {
  std::vector<int> stages;
  int evict = -1;  // running scores start from these
};
PlanHandles WantPlan(Observer& observer, const LayerPlan& plan, int stored_heads, int user_end);
// The same of all plans of a prefill; shape: of the layer, its KV heads stored.
std::vector<PlanHandles> WantPlans(Observer& observer, const std::vector<CompressionPlan>& plans,
                                   int layer, LayerShape shape);

// What measuring a layer for these plans takes and reads, told before there is a prompt.
struct Observation {
  size_t bytes = 0;
  uint32_t reads = 0;  // of Reading
};
Observation ObservationOf(const std::shared_ptr<Engine>& engine,
                          const std::vector<CompressionPlan>& plans, int layer, LayerShape shape,
                          int tokens);

}  // namespace qpkv
