// See model.h.
#include "engine/model.h"

namespace qpkv {
namespace {

std::string ShapeText(const std::vector<int>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

Model::Model(std::shared_ptr<Engine> shared, ModelDescription given,
             std::shared_ptr<PackedFile> packed)
    : engine(std::move(shared)), description(std::move(given)), packed_(std::move(packed)) {
  const ModelDescription& d = description;
  reader_ = std::make_unique<WeightReader>(d.files, engine->device.threads());
  for (int i = 0; i < d.layers; ++i) LoadLayer(i);
  norm = LoadVector("norm", d.hidden);
  if (norm == nullptr) throw Error("KV_MODEL_FILE", "The tensor 'norm' is missing.");
  for (const RopeDescription& rope : d.ropes) {
    ropes_.push_back(LoadRope(rope.inv_freq, rope.scale));
    long_ropes_.push_back(
        rope.long_inv_freq.empty() ? ropes_.back() : LoadRope(rope.long_inv_freq, rope.long_scale));
  }
  embed = PackStack({"embed"}, {d.vocab}, d.hidden);
  head = Find("head") == nullptr ? embed : PackStack({"head"}, {d.vocab}, d.hidden);
  reader_.reset();  // everything lives on the device now
}

const TensorSource* Model::Find(const std::string& role) const {
  const auto found = description.tensors.find(role);
  return found == description.tensors.end() ? nullptr : &found->second;
}

const TensorSource& Model::Require(const std::string& role, std::vector<int> shape) const {
  const TensorSource* tensor = Find(role);
  if (tensor == nullptr) throw Error("KV_MODEL_FILE", "The tensor '" + role + "' is missing.");
  if (tensor->shape != shape)
    throw Error("KV_MODEL_FILE", "Expected shape " + ShapeText(shape) + " for the tensor '" + role +
                                     "' but the file has " + ShapeText(tensor->shape) + ".");
  return *tensor;
}

float* Model::NewFloats(size_t count) {
  buffers_.emplace_back(engine->device, count * sizeof(float));
  weight_bytes += count * sizeof(float);
  return buffers_.back().floats();
}

void Model::CopyVector(const TensorSource& tensor, float* out) {
  const std::vector<uint8_t> data = reader_->Read(tensor);
  const StoredTensor stored(tensor, data.data());
  engine->ops.LoadFloats(engine->stream, {OnHost(stored.data()), tensor.read_element(),
                                          static_cast<int>(tensor.count()), out});
}

const float* Model::LoadVector(const std::string& role, int size) {
  if (Find(role) == nullptr) return nullptr;
  const TensorSource& tensor = Require(role, {size});
  float* out = NewFloats(static_cast<size_t>(size));
  CopyVector(tensor, out);
  return out;
}

WeightFormat Model::FormatOf(const std::vector<std::string>& roles) const {
  const auto given = description.formats.find(roles[0]);
  if (given != description.formats.end()) return given->second;
  if (description.products == Precision::kBf16) return ExactWeights(Element::kBf16);
  const Element element = Find(roles[0])->read_element();
  for (const std::string& role : roles)
    if (Find(role)->read_element() != element) return ExactWeights(Element::kF32);
  return ExactWeights(element);
}

// Matrices with the same inputs lie on top of one another, so that one product serves q, k and v,
// or gate and up.
PackedWeight Model::PackStack(const std::vector<std::string>& roles, const std::vector<int>& rows,
                              int k) {
  PackedWeight packed{};
  packed.k = k;
  for (size_t i = 0; i < roles.size(); ++i) {
    Require(roles[i], {rows[i], k});
    packed.n += rows[i];
  }
  packed.format = FormatOf(roles);
  const size_t bytes = engine->ops.PackedWeightBytes(packed.format, packed.n, k);
  weight_bytes += bytes;
  if (packed_ != nullptr) {
    packed.data = packed_->Next(bytes);
    if (packed_->whole()) return packed;
  } else {
    buffers_.emplace_back(engine->device, bytes);
    packed.data = buffers_.back().data();
  }
  int row = 0;
  for (size_t i = 0; i < roles.size(); ++i) {
    reader_->ForEachPiece(*Find(roles[i]), packed.format, [&](PackWeightArgs args) {
      args.row_begin += row, args.row_end += row;
      args.out = packed;
      engine->ops.PackWeight(engine->stream, args);
    });
    row += rows[i];
  }
  return packed;
}

RopeTable Model::LoadRope(const std::vector<float>& inv_freq, float scale) {
  float* frequencies = NewFloats(inv_freq.size());
  engine->Upload(frequencies, inv_freq.data(), inv_freq.size() * sizeof(float));
  return {frequencies, scale, 2 * static_cast<int>(inv_freq.size())};
}

LayerShape Model::ShapeOf(int index, bool per_query_head) const {
  LayerShape shape;
  shape.query_heads = description.query_heads;
  shape.kv_heads = description.kv_heads;
  shape.head_dim = description.head_dim;
  shape.per_query_head = per_query_head;
  shape.window = description.layer[index].window;
  shape.cap = description.block.attention_cap;
  return shape;
}

RopeTable Model::RopeOf(int index, int tokens) const {
  const int which = description.layer[index].rope;
  if (which < 0) return {};
  const bool longer = tokens > description.ropes[which].switch_tokens;
  return (longer ? long_ropes_ : ropes_)[which];
}

const float* Model::LoadStack(const std::vector<std::string>& roles,
                              const std::vector<int>& sizes) {
  int total = 0;
  bool any = false;
  for (size_t i = 0; i < roles.size(); ++i) {
    total += sizes[i];
    any |= Find(roles[i]) != nullptr;
  }
  if (!any) return nullptr;
  float* out = NewFloats(static_cast<size_t>(total));
  engine->ops.Zero(engine->stream, out, sizeof(float) * total);
  int at = 0;
  for (size_t i = 0; i < roles.size(); ++i) {
    if (Find(roles[i]) != nullptr) CopyVector(Require(roles[i], {sizes[i]}), out + at);
    at += sizes[i];
  }
  return out;
}

void Model::LoadMlp(const std::string& prefix, LayerWeights* layer) {
  const ModelDescription& d = description;
  const std::vector<std::string> roles = {prefix + "gate", prefix + "up"};
  const std::vector<int> rows = {d.intermediate, d.intermediate};
  layer->gate_up = PackStack(roles, rows, d.hidden);
  layer->gate_up_bias = LoadStack({prefix + "gateBias", prefix + "upBias"}, rows);
  layer->down = PackStack({prefix + "down"}, {d.hidden}, d.intermediate);
  layer->down_bias = LoadVector(prefix + "downBias", d.hidden);
}

void Model::LoadExperts(const std::string& prefix, LayerWeights* layer) {
  const ModelDescription& d = description;
  const ExpertsDescription& experts = d.block.experts;
  // They add to the stream while they read what it was: a norm in front makes the copy.
  if (Find(prefix + "postNorm") == nullptr)
    throw Error("KV_MODEL_FILE", "The tensor '" + prefix + "postNorm' is missing.");
  layer->router = PackStack({prefix + "router"}, {experts.count}, d.hidden);
  std::vector<PackedWeight> gate_up, down;
  for (int e = 0; e < experts.count; ++e) {
    const std::string expert = prefix + "experts." + std::to_string(e) + ".";
    gate_up.push_back(PackStack({expert + "gate", expert + "up"},
                                {experts.intermediate, experts.intermediate}, d.hidden));
    down.push_back(PackStack({expert + "down"}, {d.hidden}, experts.intermediate));
  }
  layer->expert_gate_up = LoadTable(gate_up);
  layer->expert_down = LoadTable(down);
}

static_assert(sizeof(PackedWeight) == 32, "src/weights/weight-bytes.ts counts as many");

const PackedWeight* Model::LoadTable(const std::vector<PackedWeight>& weights) {
  const size_t bytes = weights.size() * sizeof(PackedWeight);
  buffers_.emplace_back(engine->device, bytes);
  weight_bytes += bytes;
  engine->Upload(buffers_.back().data(), weights.data(), bytes);
  return static_cast<const PackedWeight*>(buffers_.back().data());
}

void Model::LoadLayer(int index) {
  const ModelDescription& d = description;
  const std::string prefix = "layers." + std::to_string(index) + ".";
  const int q = d.query_heads * d.head_dim, kv = d.kv_heads * d.head_dim;
  LayerWeights layer{};
  layer.qkv = PackStack({prefix + "q", prefix + "k", prefix + "v"}, {q, kv, kv}, d.hidden);
  layer.qkv_bias = LoadStack({prefix + "qBias", prefix + "kBias", prefix + "vBias"}, {q, kv, kv});
  layer.o = PackStack({prefix + "o"}, {d.hidden}, q);
  layer.o_bias = LoadVector(prefix + "oBias", d.hidden);
  if (Find(prefix + "router") != nullptr)
    LoadExperts(prefix, &layer);
  else
    LoadMlp(prefix, &layer);
  layer.input_norm = LoadVector(prefix + "inputNorm", d.hidden);
  layer.attention_norm = LoadVector(prefix + "attentionNorm", d.hidden);
  layer.post_norm = LoadVector(prefix + "postNorm", d.hidden);
  layer.mlp_norm = LoadVector(prefix + "mlpNorm", d.hidden);
  const bool whole = d.block.norm_whole_rows;
  layer.q_norm = LoadVector(prefix + "qNorm", whole ? q : d.head_dim);
  layer.k_norm = LoadVector(prefix + "kNorm", whole ? kv : d.head_dim);
  layers.push_back(std::move(layer));
}

}  // namespace qpkv
