// Where the rows of a step's work lie: those that pass all layers first, those of prompts behind
// them.
#pragma once
#include <optional>
#include <vector>

#include "engine/model.h"
#include "engine/step.h"

namespace qpkv {

// One piece of work, and where its rows lie among those of the step.
struct StepItem {
  const Work* work = nullptr;
  int row = 0;         // its first row
  int logits_row = 0;  // its first row of logits
  int logits_rows = 0;
  int cache = -1;           // its number among the step's caches, or -1
  bool own_hidden = false;  // the sequence keeps the hidden states
  std::optional<Error> error;

  bool At(int layer) const { return work->from <= layer && layer < work->to && work->rows > 0; }
};

struct StepLayout {
  explicit StepLayout(const std::vector<Work>& work);

  // Without layers rows only take their logits from hidden states that are there.
  bool StartsAtEmbedding() const;
  std::vector<const StepItem*> InRowOrder() const;
  // Per item: its rows at a layer, of the step's queries, keys, values and attention.
  std::vector<LayerRows> Parts(const ModelDescription& d, int layer, const QkvRows& qkv,
                               float* attention) const;

  std::vector<StepItem> items;
  int rows = 0;           // of all work
  int carried = 0;        // of work that passes all layers
  int prompt_layer = -1;  // that the prompts' rows pass, or -1
  int logits_rows = 0;
};

}  // namespace qpkv
