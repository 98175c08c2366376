// The parts of a transformer layer that look at one row at a time: projections, norms, RoPE, the
// MLP. Prefill and append share them; they differ in attention only. All functions run under the
// engine's mutex on the engine's buffers.
#pragma once
#include <vector>

#include "engine/model.h"

namespace qpkv {

constexpr int kChunkTokens = 512;  // rows that pass a layer at once in prefill

struct QkvRows {
  float* q = nullptr;  // [rows, queryHeads, headDim], row stride `stride`
  float* k = nullptr;  // [rows, kvHeads, headDim]
  float* v = nullptr;
  int stride = 0;
  const float* input = nullptr;  // [rows, hidden], what was projected
};

// [rows, hidden] of embeddings; ids and positions are on the device.
void EmbedTokens(const Model& model, const int32_t* ids, int rows, float* hidden);

// Where ProjectQkv leaves its result.
QkvRows QkvBuffer(const Model& model, int rows);

// norm -> q, k, v (+ bias, + QK norm); before RoPE. What a layer has no weights for is left out.
QkvRows ProjectQkv(const Model& model, int layer, const float* hidden, int rows);

enum class Rotated { kQueries, kKeys };
void RotateRows(const Model& model, const QkvRows& qkv, Rotated which, const RopeTable& rope,
                const int32_t* positions, int rows);

// hidden += attention Wo; hidden += the MLP or the experts of the normed hidden. Both pass a norm
// or a factor on the way where the model has one.
void FinishLayer(const Model& model, int layer, const float* attention, float* hidden, int rows);

// Where the logits of a step lie: [rows, vocab].
float* LogitsBuffer(const Model& model, int rows);
void ComputeLogits(const Model& model, const float* hidden, int rows, float* logits);

}  // namespace qpkv
