// The caches of all layers of a sequence. What a step does with them: engine/cache_step.h.
#pragma once
#include <memory>
#include <vector>

#include "engine/kv_layer.h"

namespace qpkv {

class KvCache {
 public:
  explicit KvCache(std::vector<std::unique_ptr<KvLayer>> layers) : layers_(std::move(layers)) {}
  KvCache(const KvCache& other) {  // shares all parts
    for (const auto& layer : other.layers_) layers_.push_back(std::make_unique<KvLayer>(*layer));
  }
  KvCache& operator=(const KvCache&) = delete;

  int layers() const { return static_cast<int>(layers_.size()); }
  KvLayer& layer(int index) { return *layers_[index]; }
  const KvLayer& layer(int index) const { return *layers_[index]; }
  void Replace(int index, std::unique_ptr<KvLayer> with) { layers_[index] = std::move(with); }
  PartBytes Bytes() const {
    PartBytes sum;
    for (const auto& layer : layers_) {
      const PartBytes part = layer->Bytes();
      sum.planned += part.planned;
      sum.grown += part.grown;
      sum.unused += part.unused;
    }
    return sum;
  }

 private:
  std::vector<std::unique_ptr<KvLayer>> layers_;
};

}  // namespace qpkv
