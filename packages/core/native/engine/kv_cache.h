// The caches of all layers of a sequence, and what a step does with them around its layer loop: one
// upload before, one read-back behind, whatever the number of layers.
#pragma once
#include <memory>
#include <vector>

#include "engine/kv_layer.h"

namespace qpkv {

class KvCache {
 public:
  explicit KvCache(std::vector<std::unique_ptr<KvLayer>> layers);
  KvCache(const KvCache& other);  // shares all parts
  KvCache& operator=(const KvCache&) = delete;

  int layers() const { return static_cast<int>(layers_.size()); }
  KvLayer& layer(int index) { return *layers_[static_cast<size_t>(index)]; }
  const KvLayer& layer(int index) const { return *layers_[static_cast<size_t>(index)]; }
  PartBytes Bytes() const;

  // Room for `appended` tokens in every layer, and its tables; `rows` says where the step's rows
  // lie, in every layer alike. Afterwards the ops below may run.
  void Begin(Engine& engine, int appended, const StepRows& rows);
  // The ops of one layer, by the tables of Begin().
  void Append(Engine& engine, int layer) const;
  void Attend(Engine& engine, int layer, Precision precision, float logit_scale) const;
  void Evict(Engine& engine, int layer) const;
  const void* items() const { return items_.data(); }  // what they are called with
  // Behind the layer loop: reads back who leaves, and lets every layer settle.
  void End(Engine& engine);

 private:
  std::vector<std::unique_ptr<KvLayer>> layers_;
  StepRows rows_;
  Buffer items_;                      // [layers] of CacheItem
  Buffer victims_;                    // of the layers that evict by score, behind one another
  std::vector<size_t> victim_begin_;  // [layers + 1] in victims_
};

}  // namespace qpkv
