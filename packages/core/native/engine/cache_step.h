// What one step does with the caches of its sequences, for all layers and sequences together.
//
// Before the layer loop MakeRoom brings the lists up to date and Sync the device's tables; in the
// loop one op each stores, attends and evicts for all sequences of a layer; behind it
// FinishEviction lets every cache code and free what is due. A sequence's own trouble (no memory
// for a part) is its own: it drops out, the others go on.
#pragma once
#include <optional>
#include <vector>

#include "engine/error.h"
#include "engine/kv_cache.h"

namespace qpkv {

// A cache with its newest tokens.
struct CacheRows {
  KvCache* cache;
  int appended;  // so many of the rows are to be stored: all, or 0
  StepRows rows;
  std::optional<Error> error = {};
};

class CacheStep {
 public:
  // The caches have the same layers and head dims.
  CacheStep(Engine& engine, std::vector<CacheRows> caches);

  const CacheRows& operator[](size_t index) const { return caches_[index]; }

  void MakeRoom();
  // Of EvictLowest in this step, once there is room: [evicted()] int32.
  size_t evicted() const { return evicted_begin_.back(); }
  // Adds what the device's tables lack. evicted: device memory.
  void Sync(int32_t* evicted, DeviceWrites* writes);

  // The ops of one layer. The same Key() means the same arguments.
  void Append(int layer) const;
  void Attend(int layer, Precision precision, float logit_scale) const;
  void Evict(int layer) const;
  // Queries of the caches that evict by scores which are measured anew; not to be replayed.
  void KeepQueries(int layer, float logit_scale);
  bool keeps_queries() const { return keeps_queries_; }
  uint64_t Key() const;

  // Behind the layer loop. First with null: the layers that know who leaves. Then, if there
  // are any, the layers that evict by score with what the host has read back.
  void FinishEviction(const int32_t* evicted);

 private:
  // Of the caches without trouble so far: use(cache), use(layer, where what it evicts is written).
  template <class Use>
  void ForEach(const Use& use);
  template <class Use>
  void ForLayers(bool by_score, const Use& use);
  void MarkTokens(const std::vector<MarkItem>& marks);
  const CacheItem* ItemsOf(int layer) const;

  Engine& engine_;
  std::vector<CacheRows> caches_;
  int layers_ = 0, head_dim_ = 0;
  std::vector<size_t> evicted_begin_;  // [caches * layers + 1]
  // As of Sync:
  const CacheItem* items_ = nullptr;  // device [layers, count]
  int count_ = 0;                     // of the caches that go on
  int most_heads_ = 0, most_rows_ = 0, most_group_ = 1;
  std::vector<bool> by_score_;  // [layers] whether any cache evicts so
  bool keeps_queries_ = false;
};

}  // namespace qpkv
