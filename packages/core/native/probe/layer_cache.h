// One layer's cache on its own, from given q, k and v: what prefill does per layer with the same
// observer, selection and KvLayer, for checks and experiments.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "engine/kv_cache.h"
#include "engine/observe_layer.h"
#include "engine/selection.h"

namespace qpkv {

class LayerCache {
 public:
  LayerCache(std::shared_ptr<Engine> engine, const LayerInput& input,
             std::shared_ptr<const LayerPlan> plan);

  // k, v: [kvHeads, count, headDim].
  void Append(const std::vector<float>& k, const std::vector<float>& v, int count);
  // Of the newest token: [queryHeads, headDim] to the same.
  std::vector<float> Attend(const std::vector<float>& q);

  const Selection& selection() const { return selection_; }
  KvLayer& layer() { return cache_->layer(0); }
  Engine& engine() { return *engine_; }
  std::atomic<bool> busy{false};

 private:
  void CheckUsable() const;
  template <class Use>
  void Run(int appended, const StepRows& rows, bool evict, const Use& use);

  std::shared_ptr<Engine> engine_;
  Precision precision_;
  float scale_;
  Selection selection_;
  std::unique_ptr<KvCache> cache_;  // of one layer
  bool broken_ = false;             // a step failed half way through the heads
};

}  // namespace qpkv
