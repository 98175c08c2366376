// A decoder model as data, and its weights packed for the ops. One description covers every
// architecture: parts that a model lacks (biases, norms, experts) are absent tensors.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/block_description.h"
#include "engine/engine.h"
#include "engine/layer_shape.h"
#include "engine/memory_ledger.h"
#include "engine/packed_file.h"
#include "engine/stored_tensor.h"
#include "engine/weight_reader.h"

namespace qpkv {

struct ModelDescription {
  std::vector<std::string> files;
  // What matrix products and prefill attention see, and what decode attention sees. The default
  // mode is kF32 and kBf16: weights as stored, float32 activations, a cache in bf16. The fast mode
  // rounds activations and weights to bf16 too; the float32 mode rounds nothing.
  Products matmul = Products::kWords;
  Precision products = Precision::kF32;
  Precision decode = Precision::kBf16;
  int layers = 0, hidden = 0, intermediate = 0, query_heads = 0, kv_heads = 0, head_dim = 0,
      vocab = 0;
  float rms_epsilon = 0;
  BlockDescription block;
  std::vector<RopeDescription> ropes;
  std::vector<LayerDescription> layer;          // [layers]
  std::map<std::string, TensorSource> tensors;  // by role, see addon.ts
  // How matrices are packed, by the role of their first tensor; left out: exact, as stored.
  std::map<std::string, WeightFormat> formats;

  int qkv_width() const { return (query_heads + 2 * kv_heads) * head_dim; }
};

// What a layer lacks is null or empty. Norms are [hidden], q_norm and k_norm [headDim] or all
// heads.
struct LayerWeights {
  PackedWeight qkv, o, gate_up, down;
  const float* qkv_bias = nullptr;      // [qkvWidth]
  const float* o_bias = nullptr;        // [hidden]
  const float* gate_up_bias = nullptr;  // [2 * intermediate]
  const float* down_bias = nullptr;     // [hidden]
  const float* input_norm = nullptr;
  const float* attention_norm = nullptr;
  const float* post_norm = nullptr;
  const float* mlp_norm = nullptr;
  const float* q_norm = nullptr;
  const float* k_norm = nullptr;
  PackedWeight router{};  // [experts, hidden]; data is null where the layer has an MLP
  const PackedWeight* expert_gate_up = nullptr;  // device [experts]
  const PackedWeight* expert_down = nullptr;
};

enum class PackedState : uint8_t { kMemory, kWritten, kMapped };

class Model {
 public:
  // packed: where the matrices lie, or will; null: in memory of the device.
  Model(std::shared_ptr<Engine> engine, ModelDescription description,
        std::shared_ptr<PackedFile> packed = nullptr);

  const std::shared_ptr<Engine> engine;
  const ModelDescription description;
  std::vector<LayerWeights> layers;
  PackedWeight head{};   // [vocab, hidden]
  PackedWeight embed{};  // the same as the head where they are tied
  const float* norm = nullptr;
  size_t weight_bytes = 0;
  // Of all sequences of this model; weights are not part of it.
  const std::shared_ptr<MemoryLedger> memory = std::make_shared<MemoryLedger>();
  // What came of a packed file, and what was wrong with it (load_model.h).
  PackedState packed = PackedState::kMemory;
  std::string packed_note;

  LayerShape ShapeOf(int index, bool per_query_head) const;
  // The rotary embedding of a layer for a text of `tokens` tokens.
  RopeTable RopeOf(int index, int tokens) const;

 private:
  const TensorSource* Find(const std::string& role) const;
  const TensorSource& Require(const std::string& role, std::vector<int> shape) const;
  float* NewFloats(size_t count);
  const float* LoadVector(const std::string& role, int size);  // null when absent
  void CopyVector(const TensorSource& tensor, float* out);
  WeightFormat FormatOf(const std::vector<std::string>& roles) const;
  PackedWeight PackStack(const std::vector<std::string>& roles, const std::vector<int>& rows,
                         int k);
  // Vectors behind one another, zeros where one is absent; null when all are.
  const float* LoadStack(const std::vector<std::string>& roles, const std::vector<int>& sizes);
  RopeTable LoadRope(const std::vector<float>& inv_freq, float scale);
  const PackedWeight* LoadTable(const std::vector<PackedWeight>& weights);
  void LoadLayer(int index);
  void LoadMlp(const std::string& prefix, LayerWeights* layer);
  void LoadExperts(const std::string& prefix, LayerWeights* layer);

  std::unique_ptr<WeightReader> reader_;  // while loading
  std::shared_ptr<PackedFile> packed_;
  std::vector<Buffer> buffers_;
  std::vector<RopeTable> ropes_, long_ropes_;  // the same where there is no long one
};

}  // namespace qpkv
