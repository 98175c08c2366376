// From scores to kept positions: smoothing and top-k of a layer.
#pragma once
#include <vector>

#include "engine/engine.h"
#include "engine/plan.h"

namespace qpkv {

struct Selection {
  std::vector<std::vector<int32_t>> kept;  // per stored head, in storage order
  std::vector<float> smoothed;             // [heads, tokens - protect.last], only when asked for
};

struct SelectionInput {
  const float* scores = nullptr;  // device [heads, tokens], or null when nothing was observed
  int heads = 0, tokens = 0;
  int window = 0;  // sliding window: only what the next query can see is a candidate
  int layer = -1;  // for messages
  bool want_smoothed = false;
};

// Throws KV_NUMERIC for NaN scores.
Selection SelectTokens(Engine& engine, const LayerPlan& plan, const SelectionInput& input);

}  // namespace qpkv
