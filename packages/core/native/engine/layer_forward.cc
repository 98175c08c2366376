// See layer_forward.h.
#include "engine/layer_forward.h"

namespace qpkv {
namespace {

void Normalize(const Model& model, const float* x, const float* weight, float* out, int rows) {
  const ModelDescription& d = model.description;
  model.engine->ops.RmsNorm(model.engine->stream,
                            {x, weight, out, rows, d.hidden, d.hidden, d.rms_epsilon});
}

void Multiply(const Model& model, const float* x, int rows, const PackedWeight& weight,
              const float* bias, float* out, bool accumulate) {
  model.engine->ops.Matmul(model.engine->stream,
                           {x, rows, weight, bias, out, accumulate, model.description.products});
}

// One norm over the channels of every head. Heads of one row lie behind one another.
void NormalizeHeads(const Model& model, float* x, const float* weight, int heads, int rows,
                    int stride) {
  const ModelDescription& d = model.description;
  const auto norm = [&](float* at, int count, int step) {
    model.engine->ops.RmsNorm(model.engine->stream,
                              {at, weight, at, count, d.head_dim, step, d.rms_epsilon});
  };
  if (rows == 1) return norm(x, heads, d.head_dim);
  for (int head = 0; head < heads; ++head)
    norm(x + static_cast<size_t>(head) * d.head_dim, rows, stride);
}

}  // namespace

void EmbedTokens(const Model& model, const int32_t* ids, int rows, float* hidden) {
  const ModelDescription& d = model.description;
  model.engine->ops.Embed(model.engine->stream,
                          {model.embed, model.embed_element, ids, rows, d.hidden, hidden});
}

QkvRows ProjectQkv(const Model& model, int layer, const float* hidden, int rows) {
  const ModelDescription& d = model.description;
  const LayerWeights& weights = model.layers[static_cast<size_t>(layer)];
  Engine& engine = *model.engine;
  float* norm = engine.Floats(Slot::kNorm, static_cast<size_t>(rows) * d.hidden);
  float* out = engine.Floats(Slot::kQkv, static_cast<size_t>(rows) * d.qkv_width());
  Normalize(model, hidden, weights.input_norm, norm, rows);
  Multiply(model, norm, rows, weights.qkv, weights.qkv_bias, out, false);
  QkvRows qkv;
  qkv.q = out;
  qkv.k = out + static_cast<size_t>(d.query_heads) * d.head_dim;
  qkv.v = qkv.k + static_cast<size_t>(d.kv_heads) * d.head_dim;
  qkv.stride = d.qkv_width();
  if (weights.q_norm != nullptr)
    NormalizeHeads(model, qkv.q, weights.q_norm, d.query_heads, rows, qkv.stride);
  if (weights.k_norm != nullptr)
    NormalizeHeads(model, qkv.k, weights.k_norm, d.kv_heads, rows, qkv.stride);
  return qkv;
}

void TurnRows(const Model& model, const QkvRows& qkv, Turn which, const int32_t* positions,
              int rows) {
  const ModelDescription& d = model.description;
  const bool queries = which == Turn::kQueries;
  model.engine->ops.Rope(model.engine->stream,
                         {queries ? qkv.q : qkv.k, positions, model.inv_freq, d.rope_scale, rows,
                          queries ? d.query_heads : d.kv_heads, d.head_dim, qkv.stride});
}

void FinishLayer(const Model& model, int layer, const float* attention, float* hidden, int rows) {
  const ModelDescription& d = model.description;
  const LayerWeights& weights = model.layers[static_cast<size_t>(layer)];
  Engine& engine = *model.engine;
  Multiply(model, attention, rows, weights.o, nullptr, hidden, true);
  float* norm = engine.Floats(Slot::kNorm, static_cast<size_t>(rows) * d.hidden);
  float* gate_up = engine.Floats(Slot::kGateUp, static_cast<size_t>(rows) * 2 * d.intermediate);
  float* activation = engine.Floats(Slot::kActivation, static_cast<size_t>(rows) * d.intermediate);
  Normalize(model, hidden, weights.post_norm, norm, rows);
  Multiply(model, norm, rows, weights.gate_up, nullptr, gate_up, false);
  engine.ops.Swiglu(engine.stream, {gate_up, activation, rows, d.intermediate});
  Multiply(model, activation, rows, weights.down, nullptr, hidden, true);
}

const float* ComputeLogits(const Model& model, const float* hidden, int rows) {
  const ModelDescription& d = model.description;
  Engine& engine = *model.engine;
  float* norm = engine.Floats(Slot::kNorm, static_cast<size_t>(rows) * d.hidden);
  float* logits = engine.Floats(Slot::kLogits, static_cast<size_t>(rows) * d.vocab);
  Normalize(model, hidden, model.norm, norm, rows);
  Multiply(model, norm, rows, model.head, nullptr, logits, false);
  return logits;
}

void CheckNumbers(Engine& engine, const float* values, int size, int layer) {
  int32_t best = 0;
  bool has_nan = false;
  engine.ops.Argmax(engine.stream, {values, size, OnHost(&best), OnHost(&has_nan)});
  if (!has_nan) return;
  throw Error("KV_NUMERIC",
              layer < 0 ? std::string("The logits hold NaN: check the weights of the output head.")
                        : "The activations after layer " + std::to_string(layer) +
                              " hold NaN: check the weights of that layer.");
}

}  // namespace qpkv
