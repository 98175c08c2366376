// A transformer block as data: what a family of models computes differently from another. The
// TypeScript side is packages/core/src/model/architecture.ts. Norms are where their tensors are:
// before attention (inputNorm), after it (attentionNorm), before the MLP (postNorm), after it
// (mlpNorm).
#pragma once
#include <vector>

#include "engine/rope_table.h"
#include "ops/dense_ops.h"

namespace qpkv {

// Which layers a rotary embedding rotates, and by what. Texts longer than `switch_tokens` take the
// long frequencies where there are any (longrope); a cache keeps what its prompt began with.
struct RopeDescription {
  std::vector<float>
      inv_freq;     // [rotary_dim / 2]: the first `rotary_dim` channels of a head are rotated
  float scale = 1;  // factor on cos and sin
  std::vector<float> long_inv_freq;  // [rotary_dim / 2] or empty
  float long_scale = 1;
  int switch_tokens = 0;
};

struct LayerDescription {
  int window = 0;  // visible tokens, 0 for all
  int rope = 0;    // index into the model's ropes; -1: positions are not rotated
};

struct ExpertsDescription {
  int count = 0;  // 0: no layer has any
  int chosen = 0;
  int intermediate = 0;
  bool normalize = false;  // weights of the chosen ones sum to 1
};

struct BlockDescription {
  Activation activation = Activation::kSilu;
  float norm_offset = 0;         // added to the weights of every norm
  bool norm_whole_rows = false;  // q and k are normalized over all heads together, not head by head
  float embedding_scale = 1;
  float attention_scale = 1;  // of q k^T
  float attention_cap = 0;    // soft cap of the scaled logits, 0 for none
  float residual_scale = 1;   // of what attention and MLP add to the stream
  float logit_scale = 1;
  float logit_cap = 0;
  ExpertsDescription experts;
};

}  // namespace qpkv
