// A sequence in progress: one compressed cache per layer, the current logits, and what sampling
// remembers.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "engine/kv_layer.h"
#include "engine/model.h"
#include "engine/random.h"

namespace qpkv {

class Context {
 public:
  Context(std::shared_ptr<Model> model, std::vector<std::unique_ptr<KvLayer>> layers,
          std::vector<float> logits, const std::vector<int32_t>& ids);
  // Shares all tiles. `other` must not be busy.
  explicit Context(const Context& other);

  // Feeds tokens in chunks; afterwards logits() are those of the last one. all_logits: null, or
  // [count, vocab] to fill. Throws KV_ABORTED between chunks (the fed ones stay), KV_NUMERIC. Call
  // with `busy` set.
  void Append(const int32_t* ids, int count, float* all_logits);

  int tokens() const { return tokens_; }
  const std::vector<float>& logits() const { return logits_; }  // [vocab]
  const std::vector<bool>& seen() const { return seen_; }       // [vocab]
  PartBytes Bytes() const;
  size_t layer_count() const { return layers_.size(); }
  KvLayer& layer(size_t index) { return *layers_[index]; }
  Model& model() { return *model_; }

  std::atomic<bool> busy{false};  // one step at a time
  std::atomic<bool> abort{false};
  Xoshiro256 random{0};

 private:
  void AppendChunk(const int32_t* ids, int rows, float* all_logits, bool last);

  std::shared_ptr<Model> model_;
  std::vector<std::unique_ptr<KvLayer>> layers_;
  std::vector<float> logits_;
  std::vector<bool> seen_;  // one bit per token of the vocabulary
  std::atomic<int> tokens_{0};
  bool broken_ = false;  // a chunk failed half way through the layers
};

}  // namespace qpkv
