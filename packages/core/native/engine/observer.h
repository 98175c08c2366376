// Measures what plans want to see of one layer while its queries pass by; equal wishes of several
// plans are measured once.
//
// Attention by causal queries is measured chunk by chunk from the attention's own log-sum-exp. A
// window-block mask lets early queries see later keys, so the layer's queries are kept and measured
// after the last chunk; where only the last block is observed this is the causal mask. Key scores
// are measured at the end.
#pragma once
#include <memory>
#include <vector>

#include "engine/engine.h"
#include "engine/layer_shape.h"
#include "engine/plan.h"

namespace qpkv {

struct QueryChunk {
  const float* q = nullptr;  // [rows, queryHeads, headDim] after RoPE, row stride q_stride
  // [kvHeads, capacity, headDim] after RoPE; tokens of this and earlier chunks.
  const float* k = nullptr;
  const float* lse = nullptr;  // [queryHeads, rows] of the attention, or null
  int rows = 0, first = 0, q_stride = 0, capacity = 0;
};

class Observer {
 public:
  Observer(std::shared_ptr<Engine> engine, LayerShape shape, int tokens, float logit_scale);
  ~Observer();

  // Returns a ticket for Scores(). protect_last is the block of window-block masks.
  int Want(const Observation& observation, int protect_last, int user_end);
  bool wants_attention() const;  // of any query
  void AddChunk(const QueryChunk& chunk);
  void Finish(const float* k, int capacity);  // [kvHeads, capacity, headDim] after RoPE

  // [stored heads, tokens] on the device, grouped, not smoothed. `shape` says how heads are stored.
  Buffer Scores(int ticket, const LayerShape& shape) const;

 private:
  struct Measure;
  struct Wish {
    Observation observation;
    int measure;  // index in measures_
  };
  void Add(Measure& measure, const QueryChunk& chunk, int begin, int end);

  std::shared_ptr<Engine> engine_;
  LayerShape shape_;
  int tokens_;
  float scale_;
  std::vector<std::unique_ptr<Measure>> measures_;
  std::vector<Wish> wishes_;
  Buffer queries_;  // [tokens, queryHeads * headDim], only for window-block masks
};

}  // namespace qpkv
