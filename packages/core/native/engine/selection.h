// From scores to kept positions of a layer.
#pragma once
#include <vector>

#include "engine/engine.h"
#include "engine/plan.h"

namespace qpkv {

struct Selection {
  std::vector<std::vector<int32_t>> kept;  // per stored head, in storage order
  // [heads, tokens - protect.last] of the first stage, only when asked for
  std::vector<float> scores;
};

struct SelectionInput {
  std::vector<const float*> stages;  // device [heads, tokens] each; none: all scores are equal
  int heads = 0, tokens = 0;
  int window = 0;  // sliding window: only what the next query can see is a candidate
  int layer = -1;  // for messages
  bool want_scores = false;
  // [heads] positions that there are, ascending; null: all. Others are chosen last, and dropped.
  const std::vector<std::vector<int32_t>>* held = nullptr;
};

// A layer of a plan whose layers share slots.
struct LayerToSelect {
  const LayerPlan* plan;
  SelectionInput input;
};

// Throws KV_NUMERIC for NaN scores, KV_BUDGET_TOO_SMALL where more is protected than may be kept.
Selection SelectTokens(Engine& engine, const LayerPlan& plan, const SelectionInput& input);

// The same for all layers: those whose sharing is over layers compete for the slots of all of them
// (ties: lower layer, then head, then position), the others choose for themselves. [layers][heads]
// positions. Throws KV_UNSUPPORTED where competing layers protect different tokens.
std::vector<std::vector<std::vector<int32_t>>> SelectOverLayers(
    Engine& engine, const std::vector<LayerToSelect>& layers);

}  // namespace qpkv
