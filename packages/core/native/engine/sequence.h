// What a step advances: a sequence with a cache (Context), or a prompt on its way through the
// layers (Prefill). A step asks each one for what differs between them.
#pragma once
#include "engine/kv_layer.h"
#include "engine/layer_forward.h"

namespace qpkv {

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

  // [rows, hidden] on the device from token `first` on, where the sequence keeps its hidden states
  // between steps of one layer each; null: a step carries them through all layers.
  virtual float* HiddenAt(int) { return nullptr; }
  // What RoPE turns token `first` by; later ones follow.
  virtual int RopePosition(int layer, int first) const = 0;
  virtual RopeTable RopeAt(int layer) const = 0;
  // False: the layer's cache holds keys before RoPE, and these rows' own keys are not turned.
  virtual bool TurnsKeys(int layer) const = 0;
  // Before the layer loop: where these rows lie in every layer that they pass. May throw, like
  // Attend.
  virtual void BeforeLayers(const LayerRows&) {}
  // What the ops of the layer loop are called with, beside what the step itself hands them, as a
  // number: the same number means the same ops with the same arguments. 0: they differ each time.
  virtual uint64_t ReplayKey() const { return 0; }
  // Before queries and keys are turned.
  virtual void BeforeRope(const LayerRows&) {}
  // Stores the rows' keys and values and attends to them and all before. May throw: the rows' own
  // sequence fails then, the others of the step go on.
  virtual void Attend(const LayerRows& rows) = 0;
  // All layers of the work have run; not yet known is whether their numbers are sound.
  virtual void AfterLayers(int /*tokens*/) {}

 protected:
  Sequence() = default;
  Sequence(const Sequence&) = default;

 private:
  bool broken_ = false;
};

}  // namespace qpkv
