// A Llama-type model as data, and its weights packed for the ops. One description covers every
// architecture: parts that a model lacks (biases, QK norms, sliding windows) are absent tensors or
// zeros.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/mapped_file.h"
#include "engine/stored_tensor.h"

namespace qpkv {

struct ModelDescription {
  std::vector<std::string> files;
  // What matrix products and prefill attention see, and what decode attention sees. The default
  // mode is kF32 and kBf16: weights as stored, float32 activations, a cache in bf16. The fast mode
  // rounds activations and weights to bf16 too; the float32 mode rounds nothing.
  Precision products = Precision::kF32;
  Precision decode = Precision::kBf16;
  int layers = 0, hidden = 0, intermediate = 0, query_heads = 0, kv_heads = 0, head_dim = 0,
      vocab = 0;
  float rms_epsilon = 0;
  std::vector<float> inv_freq;  // [headDim / 2]
  float rope_scale = 1;
  std::vector<int> window;                      // per layer, 0 for none
  std::map<std::string, TensorSource> tensors;  // by role, see addon.ts

  int qkv_width() const { return (query_heads + 2 * kv_heads) * head_dim; }
  float logit_scale() const;  // 1 / sqrt(headDim)
};

struct LayerWeights {
  PackedWeight qkv, o, gate_up, down;
  const float* qkv_bias = nullptr;  // [qkvWidth] or null
  const float* input_norm = nullptr;
  const float* post_norm = nullptr;
  const float* q_norm = nullptr;  // [headDim] or null
  const float* k_norm = nullptr;
};

class Model {
 public:
  Model(std::shared_ptr<Engine> engine, ModelDescription description);

  const std::shared_ptr<Engine> engine;
  const ModelDescription description;
  std::vector<LayerWeights> layers;
  PackedWeight head{};
  const float* norm = nullptr;
  const void* embed = nullptr;      // [vocab, hidden], exact elements
  const float* inv_freq = nullptr;  // [headDim / 2]
  Element embed_element = Element::kBf16;
  size_t weight_bytes = 0;

 private:
  const TensorSource* Find(const std::string& role) const;
  const TensorSource& Require(const std::string& role, std::vector<int> shape) const;
  const uint8_t* Mapped(const TensorSource& tensor) const;
  const void* LoadAsStored(const TensorSource& tensor);
  float* NewFloats(size_t count);
  const float* LoadVector(const std::string& role, int size);  // null when absent
  void CopyVector(const TensorSource& tensor, float* out);
  PackedWeight PackStack(const std::vector<std::string>& roles, const std::vector<int>& rows,
                         int k);
  const float* LoadQkvBias(const std::string& prefix);
  void LoadLayer(int index);

  std::vector<std::unique_ptr<MappedFile>> files_;
  std::vector<Buffer> buffers_;
};

}  // namespace qpkv
