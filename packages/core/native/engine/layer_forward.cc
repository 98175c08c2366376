// See layer_forward.h.
#include "engine/layer_forward.h"

namespace qpkv {
namespace {

void Normalize(const Model& model, const float* x, const float* weight, float* out, int rows,
               bool accumulate = false) {
  const ModelDescription& d = model.description;
  model.engine->ops.RmsNorm(model.engine->stream, {x, weight, out, rows, d.hidden, d.hidden,
                                                   d.rms_epsilon, d.block.norm_offset, accumulate});
}

void Multiply(const Model& model, const float* x, int rows, const PackedWeight& weight,
              const float* bias, float* out, bool accumulate) {
  model.engine->ops.Matmul(model.engine->stream,
                           {x, rows, weight, bias, out, accumulate, model.description.matmul});
}

void Scale(const Model& model, const float* x, float* out, size_t count, float factor,
           float cap = 0, bool accumulate = false) {
  model.engine->ops.Scale(model.engine->stream, {x, out, count, factor, cap, accumulate});
}

// One norm over the channels of every head, or over all heads of a row together.
void NormalizeHeads(const Model& model, float* x, const float* weight, int heads, int rows,
                    int stride) {
  const ModelDescription& d = model.description;
  const int groups = d.block.norm_whole_rows ? 1 : heads;
  model.engine->ops.RmsNorm(model.engine->stream,
                            {x, weight, x, rows, heads * d.head_dim / groups, stride, d.rms_epsilon,
                             d.block.norm_offset, false, groups});
}

// What a half of the layer adds to the stream: straight into it where nothing stands between, else
// by way of a buffer of its own.
template <class Write>
void AddToStream(const Model& model, const float* norm, float* hidden, int rows,
                 const Write& write) {
  const BlockDescription& block = model.description.block;
  if (norm == nullptr && block.residual_scale == 1) return write(hidden, true);
  const size_t count = Elements(rows, model.description.hidden);
  float* between = model.engine->Floats(Slot::kBetween, count);
  write(between, false);
  if (norm != nullptr) return Normalize(model, between, norm, hidden, rows, true);
  Scale(model, between, hidden, count, block.residual_scale, 0, true);
}

void RunExperts(const Model& model, const LayerWeights& weights, const float* x, int rows,
                float* out, bool accumulate) {
  const ModelDescription& d = model.description;
  const ExpertsDescription& experts = d.block.experts;
  Engine& engine = *model.engine;
  float* router = engine.Floats(Slot::kRouter, rows, experts.count);
  Multiply(model, x, rows, weights.router, nullptr, router, false);
  if (!accumulate) engine.ops.Zero(engine.stream, out, sizeof(float) * Elements(rows, d.hidden));
  ExpertsArgs args{};
  args.x = x;
  args.router = router;
  args.gate_up = weights.expert_gate_up;
  args.down = weights.expert_down;
  args.out = out;
  args.scratch = engine.Floats(
      Slot::kExperts,
      ExpertsScratch(rows, d.hidden, experts.intermediate, experts.chosen) / sizeof(float));
  args.rows = rows;
  args.hidden = d.hidden;
  args.dim = experts.intermediate;
  args.experts = experts.count;
  args.chosen = experts.chosen;
  args.normalize = experts.normalize;
  args.activation = d.block.activation;
  args.products = d.matmul;
  engine.ops.Experts(engine.stream, args);
}

}  // namespace

void EmbedTokens(const Model& model, const int32_t* ids, int rows, float* hidden) {
  const ModelDescription& d = model.description;
  model.engine->ops.Embed(model.engine->stream, {model.embed, ids, rows, hidden});
  if (d.block.embedding_scale != 1)
    Scale(model, hidden, hidden, Elements(rows, d.hidden), d.block.embedding_scale);
}

QkvRows QkvBuffer(const Model& model, int rows) {
  const ModelDescription& d = model.description;
  QkvRows qkv;
  qkv.q = model.engine->Floats(Slot::kQkv, rows, d.qkv_width());
  qkv.k = qkv.q + Elements(d.query_heads, d.head_dim);
  qkv.v = qkv.k + Elements(d.kv_heads, d.head_dim);
  qkv.stride = d.qkv_width();
  return qkv;
}

QkvRows ProjectQkv(const Model& model, int layer, const float* hidden, int rows) {
  const ModelDescription& d = model.description;
  const LayerWeights& weights = model.layers[layer];
  Engine& engine = *model.engine;
  QkvRows qkv = QkvBuffer(model, rows);
  const float* x = hidden;
  if (weights.input_norm != nullptr) {
    float* norm = engine.Floats(Slot::kNorm, rows, d.hidden);
    Normalize(model, hidden, weights.input_norm, norm, rows);
    x = norm;
  }
  qkv.input = x;
  Multiply(model, x, rows, weights.qkv, weights.qkv_bias, qkv.q, false);
  if (weights.q_norm != nullptr)
    NormalizeHeads(model, qkv.q, weights.q_norm, d.query_heads, rows, qkv.stride);
  if (weights.k_norm != nullptr)
    NormalizeHeads(model, qkv.k, weights.k_norm, d.kv_heads, rows, qkv.stride);
  return qkv;
}

void RotateRows(const Model& model, const QkvRows& qkv, Rotated which, const RopeTable& rope,
                const int32_t* positions, int rows) {
  const ModelDescription& d = model.description;
  const bool queries = which == Rotated::kQueries;
  if (rope.rotary_dim == 0) return;
  model.engine->ops.Rope(
      model.engine->stream,
      {queries ? qkv.q : qkv.k, positions, rope.inv_freq, rope.scale, rows,
       queries ? d.query_heads : d.kv_heads, d.head_dim, qkv.stride, rope.rotary_dim});
}

void FinishLayer(const Model& model, int layer, const float* attention, float* hidden, int rows) {
  const ModelDescription& d = model.description;
  const LayerWeights& weights = model.layers[layer];
  Engine& engine = *model.engine;
  float* norm = engine.Floats(Slot::kNorm, rows, d.hidden);
  AddToStream(model, weights.attention_norm, hidden, rows, [&](float* out, bool add) {
    Multiply(model, attention, rows, weights.o, weights.o_bias, out, add);
  });
  const float* x = hidden;
  if (weights.post_norm != nullptr) {
    Normalize(model, hidden, weights.post_norm, norm, rows);
    x = norm;
  }
  AddToStream(model, weights.mlp_norm, hidden, rows, [&](float* out, bool add) {
    if (weights.router.data != nullptr) return RunExperts(model, weights, x, rows, out, add);
    float* gate_up = engine.Floats(Slot::kGateUp, rows, 2 * d.intermediate);
    float* active = engine.Floats(Slot::kActivation, rows, d.intermediate);
    Multiply(model, x, rows, weights.gate_up, weights.gate_up_bias, gate_up, false);
    engine.ops.Glu(engine.stream, {gate_up, active, rows, d.intermediate, d.block.activation});
    Multiply(model, active, rows, weights.down, weights.down_bias, out, add);
  });
}

float* LogitsBuffer(const Model& model, int rows) {
  return model.engine->Floats(Slot::kLogits, rows, model.description.vocab);
}

void ComputeLogits(const Model& model, const float* hidden, int rows, float* logits) {
  const ModelDescription& d = model.description;
  Engine& engine = *model.engine;
  float* norm = engine.Floats(Slot::kNorm, rows, d.hidden);
  Normalize(model, hidden, model.norm, norm, rows);
  Multiply(model, norm, rows, model.head, nullptr, logits, false);
  if (d.block.logit_scale != 1 || d.block.logit_cap != 0)
    Scale(model, logits, logits, Elements(rows, d.vocab), d.block.logit_scale, d.block.logit_cap);
}

}  // namespace qpkv
