// See model.h.
#include "engine/model.h"

#include <cmath>

namespace qpkv {
namespace {

std::string ShapeText(const std::vector<int>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

float ModelDescription::logit_scale() const {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
}

Model::Model(std::shared_ptr<Engine> shared, ModelDescription given)
    : engine(std::move(shared)), description(std::move(given)) {
  const ModelDescription& d = description;
  for (const std::string& path : d.files) files_.push_back(std::make_unique<MappedFile>(path));
  for (int i = 0; i < d.layers; ++i) LoadLayer(i);
  norm = LoadVector("norm", d.hidden);
  if (norm == nullptr) throw Error("KV_MODEL_FILE", "The tensor 'norm' is missing.");
  const TensorSource& table = Require("embed", {d.vocab, d.hidden});
  embed = LoadAsStored(table);
  embed_element = table.read_element();
  float* frequencies = NewFloats(d.inv_freq.size());
  engine->Upload(frequencies, d.inv_freq.data(), d.inv_freq.size() * sizeof(float));
  inv_freq = frequencies;
  head = PackStack({Find("head") != nullptr ? "head" : "embed"}, {d.vocab}, d.hidden);
  files_.clear();  // everything lives on the device now
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

const uint8_t* Model::Mapped(const TensorSource& tensor) const {
  return files_.at(static_cast<size_t>(tensor.file))->At(tensor.offset, tensor.bytes());
}

const void* Model::LoadAsStored(const TensorSource& tensor) {
  const size_t bytes = tensor.count() * ElementBytes(tensor.read_element());
  buffers_.emplace_back(engine->device, bytes);
  weight_bytes += bytes;
  const StoredTensor stored(tensor, Mapped(tensor));
  engine->Upload(buffers_.back().data(), stored.data(), bytes);
  return buffers_.back().data();
}

float* Model::NewFloats(size_t count) {
  buffers_.emplace_back(engine->device, count * sizeof(float));
  weight_bytes += count * sizeof(float);
  return buffers_.back().floats();
}

void Model::CopyVector(const TensorSource& tensor, float* out) {
  const StoredTensor stored(tensor, Mapped(tensor));
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

// Matrices with the same inputs lie on top of one another, so that one product serves q, k and v,
// or gate and up.
PackedWeight Model::PackStack(const std::vector<std::string>& roles, const std::vector<int>& rows,
                              int k) {
  PackedWeight packed{};
  packed.k = k;
  for (int count : rows) packed.n += count;
  Element element = Require(roles[0], {rows[0], k}).read_element();
  for (size_t i = 1; i < roles.size(); ++i)
    if (Require(roles[i], {rows[i], k}).read_element() != element) element = Element::kF32;
  if (description.products == Precision::kBf16) element = Element::kBf16;
  packed.format = ExactWeights(element);
  const size_t bytes = engine->ops.PackedWeightBytes(packed.format, packed.n, k);
  buffers_.emplace_back(engine->device, bytes);
  weight_bytes += bytes;
  packed.data = buffers_.back().data();
  engine->ops.Zero(engine->stream, packed.data, bytes);
  int row = 0;
  for (size_t i = 0; i < roles.size(); ++i) {
    const TensorSource& tensor = Require(roles[i], {rows[i], k});
    const StoredTensor stored(tensor, Mapped(tensor));
    PackWeightArgs args{};
    args.source = OnHost(stored.data());
    args.source_element = tensor.read_element();
    args.row_begin = row;
    args.row_end = row + rows[i];
    args.out = packed;
    engine->ops.PackWeight(engine->stream, args);
    row += rows[i];
  }
  return packed;
}

const float* Model::LoadQkvBias(const std::string& prefix) {
  const ModelDescription& d = description;
  const char* roles[] = {"qBias", "kBias", "vBias"};
  const int sizes[] = {d.query_heads * d.head_dim, d.kv_heads * d.head_dim,
                       d.kv_heads * d.head_dim};
  if (Find(prefix + roles[0]) == nullptr && Find(prefix + roles[1]) == nullptr &&
      Find(prefix + roles[2]) == nullptr)
    return nullptr;
  float* out = NewFloats(static_cast<size_t>(d.qkv_width()));
  engine->ops.Zero(engine->stream, out, sizeof(float) * d.qkv_width());
  int at = 0;
  for (int i = 0; i < 3; ++i) {
    if (Find(prefix + roles[i]) != nullptr)
      CopyVector(Require(prefix + roles[i], {sizes[i]}), out + at);
    at += sizes[i];
  }
  return out;
}

void Model::LoadLayer(int index) {
  const ModelDescription& d = description;
  const std::string prefix = "layers." + std::to_string(index) + ".";
  const int q = d.query_heads * d.head_dim, kv = d.kv_heads * d.head_dim;
  LayerWeights layer{};
  layer.qkv = PackStack({prefix + "q", prefix + "k", prefix + "v"}, {q, kv, kv}, d.hidden);
  layer.o = PackStack({prefix + "o"}, {d.hidden}, q);
  layer.gate_up =
      PackStack({prefix + "gate", prefix + "up"}, {d.intermediate, d.intermediate}, d.hidden);
  layer.down = PackStack({prefix + "down"}, {d.hidden}, d.intermediate);
  layer.qkv_bias = LoadQkvBias(prefix);
  layer.input_norm = LoadVector(prefix + "inputNorm", d.hidden);
  layer.post_norm = LoadVector(prefix + "postNorm", d.hidden);
  layer.q_norm = LoadVector(prefix + "qNorm", d.head_dim);
  layer.k_norm = LoadVector(prefix + "kNorm", d.head_dim);
  if (layer.input_norm == nullptr || layer.post_norm == nullptr)
    throw Error("KV_MODEL_FILE", "The norms of layer " + std::to_string(index) + " are missing.");
  layers.push_back(layer);
}

}  // namespace qpkv
