// What a step advances: a sequence with a cache (Context), or a prompt on its way through the
// layers (Prefill). A step asks each one for what differs between them.
#pragma once
#include "engine/kv_cache.h"
#include "engine/layer_forward.h"

namespace qpkv {

struct Work;

// Rows of one sequence at one layer.
struct LayerRows {
  int layer, first, rows;  // tokens [first, first + rows) of the sequence
  QkvRows qkv;             // of these rows
  float* out;              // [rows, queryHeads, headDim], what attention gives
};

class Sequence {
 public:
  virtual ~Sequence() = default;

  // A step on it failed half way, so what it holds is no longer of one piece.
  bool broken() const { return broken_; }
  void set_broken(bool broken) { broken_ = broken; }

  // Before any other op of a step with this work. May throw, like Attend.
  virtual void BeforeLayers(const Work&) {}
  // What rows attend to that pass all layers in a step; null: see Attend.
  virtual KvCache* cache() { return nullptr; }
  // Device [vocab]: how often each token has occurred, and where a step counts its own; or null.
  virtual int32_t* TokenCounts() { return nullptr; }
  // What RoPE rotates token `first` by; later ones follow.
  virtual int RopePosition(int layer, int first) const = 0;
  virtual RopeTable RopeAt(int layer) const = 0;
  // False: the layer's cache holds keys before RoPE, and these rows' own keys are not rotated.
  virtual bool RotatesKeys(int layer) const = 0;

  // Of a prompt, which passes one layer in each step:
  // [rows, hidden] on the device from token `first` on, kept between the steps; null: a step
  // carries the hidden states through all layers.
  virtual float* HiddenAt(int) { return nullptr; }
  // Before queries and keys are rotated.
  virtual void BeforeRope(const LayerRows&) {}
  // Stores the rows' keys and values and attends to them and all before. May throw: the rows' own
  // sequence fails then, the others of the step go on.
  virtual void Attend(const LayerRows&) {}
  // The layer has run; not yet known is whether its numbers are sound.
  virtual void AfterLayers(int /*tokens*/) {}

 protected:
  Sequence() = default;
  Sequence(const Sequence&) = default;

 private:
  bool broken_ = false;
};

}  // namespace qpkv
