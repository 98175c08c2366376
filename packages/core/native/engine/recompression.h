// A context that is compressed again, in place, from what it stores: other plans for its layers, of
// its own text, or of what was appended to it last.
//
// First every layer says who stays, which changes nothing and may fail; then layer after layer is
// stored again and what was there let go, so that at any time one layer is there twice. Values are
// those that the cache reads as: what was coded is coded again from its codes, and what was dropped
// stays away.
#pragma once
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/context.h"
#include "engine/plan.h"
#include "engine/selection.h"

namespace qpkv {

class Recompression {
 public:
  using Kept = std::vector<std::vector<int32_t>>;  // [stored heads] positions

  // What the caller knows beyond the engine.
  struct Request {
    CompressionPlan
        plan;       // chooses: for a text of as many tokens as the context has from `first` on
    int first = 0;  // tokens before it stay
    std::optional<CompressionPlan> store;  // how all of it is stored then; none: by `plan`
    int taken = 0;           // its first segments, which are the context's own and stay as they lie
    std::vector<Kept> held;  // [layers], what the context's plan kept, in storage order ...
    int held_of = 0;         // ... of the text's first tokens; later ones are all there
    std::vector<int> running;  // [layers] 1: the running scores take the place of the plan's
    ContextMemory memory;      // afterwards
    size_t work = 0;           // bytes while it runs
    bool may_wait = true;      // false: without memory now it ends with KV_MEMORY
  };

  // Throws KV_UNSUPPORTED for a plan of another number of layers or other stored heads.
  Recompression(std::shared_ptr<Context> context, Request request);

  bool Admit();  // whether its memory is granted, or is now
  bool GivesUp() { return !request_.may_wait && !Admit(); }
  // One layer's scores, the choice, or one layer's storing. Throws KV_UNSUPPORTED for scores that
  // read more than the cache holds, KV_NUMERIC, KV_MEMORY.
  void RunUnit();
  bool storing() const { return stored_ > 0; }  // there is no way back
  bool done() const { return stored_ == layers(); }
  const std::vector<Kept>& kept() const { return kept_; }  // [layers], in storage order
  Context& context() { return *context_; }

 private:
  struct LayerScores {
    std::vector<Buffer> stages;  // device [stored heads, tokens]
    std::vector<float> evict;    // the same on the host, where scores run on
  };

  int layers() const { return static_cast<int>(request_.plan.layers.size()); }
  const LayerPlan& Plan(int layer) const { return request_.plan.layers[layer]; }
  const LayerPlan& Stored(int layer) const {
    return (request_.store ? *request_.store : request_.plan).layers[layer];
  }
  const KvLayer& Old(int layer) const { return context_->layer(static_cast<size_t>(layer)); }
  LayerShape Shape(int layer) const;  // afterwards
  int SourceOf(int layer, int head) const;
  Kept Positions(int layer) const;
  SelectionInput InputOf(int layer) const;
  void Score(int layer);
  void ScoreRunning(int layer);
  void Measure(int layer, size_t count, const Kept& positions,
               std::vector<std::vector<float>>* scores);
  void Choose();
  void CheckTaken(int layer, const Kept& kept) const;
  void StoreLayer(int layer);
  Buffer Rows(int layer, Tensor tensor, const Kept& rows, int capacity, bool rotated) const;
  void Rotate(int layer, const std::vector<int32_t>& positions, bool back, float* rows) const;

  const std::shared_ptr<Context> context_;
  const Request request_;
  const int tokens_;  // that compete: from request_.first on
  Grant grant_;       // beside what the context has
  const Open open_;
  bool admitted_ = false;
  // [layers] per stored head afterwards: positions before `first` in storage order, and those from
  // there on, ascending and counted from `first`.
  std::vector<Kept> older_, here_;
  std::vector<LayerScores> scores_;  // [layers]
  std::vector<Kept> kept_;
  int stored_ = 0;
};

}  // namespace qpkv
