// The parts of one layer: per stored head a list of key parts and one of value parts, in storage
// order, by segments. Nothing here knows why a token is stored, moved or dropped.
//
// Forks share parts (reference counts); whoever is about to write one that is shared gets a copy
// first. What attention sees of the lists (ops/cache_ops.h) is a table in device memory; Sync says
// what has changed in it.
#pragma once
#include <memory>
#include <vector>

#include "engine/block_pool.h"
#include "engine/device_writes.h"
#include "engine/format_table.h"

namespace qpkv {

struct StoredPart {
  BlockRef block;
  int first = 0;        // its first token, counted in the list
  int tokens = 0;       // used slots
  int part_tokens = 0;  // laid out
  int segment = 0;
};

struct PartList {
  std::vector<StoredPart> parts;
  int tokens = 0;

  // Index behind the last part of this segment and those before it.
  size_t EndOf(int segment) const {
    size_t end = parts.size();
    while (end > 0 && parts[end - 1].segment > segment) --end;
    return end;
  }
  // Of the segments behind `segment`.
  int TokensBehind(int segment) const {
    const size_t end = EndOf(segment);
    return end == parts.size() ? 0 : tokens - parts[end].first;
  }
};

class PartStore {
 public:
  PartStore(std::shared_ptr<Engine> engine, std::shared_ptr<const FormatTable> formats, int heads,
            int head_dim, PartNeeds needs);
  PartStore(const PartStore& other);  // shares all parts
  PartStore& operator=(const PartStore&) = delete;

  int heads() const { return static_cast<int>(keys_.size()); }
  int head_dim() const { return head_dim_; }
  const FormatTable& formats() const { return *formats_; }
  PartNeeds needs(Tensor tensor) const { return tensor == Tensor::kKey ? needs_ : PartNeeds{}; }
  const PartList& list(int head, Tensor tensor) const {
    return (tensor == Tensor::kKey ? keys_ : values_)[head];
  }
  int tokens(int head) const { return list(head, Tensor::kKey).tokens; }

  size_t PartBytes(Tensor tensor, int segment, int part_tokens) const;
  void Reserve(size_t bytes) { pool_->Reserve(bytes); }  // what comes next lies behind one another
  size_t bytes() const;                                  // of all parts and means
  size_t unused() const { return pool_->mapped() - pool_->live(); }

  // Room for the means that keys are stored less of, on the device: [heads, headDim].
  float* OpenMeans();
  size_t MeanBytes() const {
    return AlignUp(keys_.size() * static_cast<size_t>(head_dim_) * sizeof(float), kRegisterBytes);
  }
  const float* means() const {
    return means_ ? reinterpret_cast<const float*>(means_->data) : nullptr;
  }
  // How all of a tensor's parts are stored, as ops take it.
  Transform TransformOf(Tensor tensor) const;

  // A part without tokens before `index`. Writing its first slot clears it.
  const StoredPart& Open(int head, Tensor tensor, size_t index, int segment, int part_tokens);
  void Extend(int head, Tensor tensor, size_t index, int tokens);  // uses that many free slots
  void Erase(int head, Tensor tensor, size_t begin, size_t end);
  void KeepFirst(int head, Tensor tensor, int tokens);  // in storage order
  void Own(int head, Tensor tensor, size_t index);  // before a part is written: copies a shared one

  // Where and how a part is written and read.
  PartShape ShapeOf(Tensor tensor, const StoredPart& part) const;

  // Adds what has changed in the tables since the last call. All heads have the same newest token.
  void Sync(DeviceWrites* writes, int last_position, int last_index);
  const HeadView* views() const { return static_cast<const HeadView*>(table_.data()); }

 private:
  PartList& Mutable(int head, Tensor tensor, size_t changed_from);
  void Renumber(PartList* list, size_t from);
  Part* TableOf(int head, Tensor tensor) const;
  void Grow(size_t parts);

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<const FormatTable> formats_;
  int head_dim_;
  PartNeeds needs_;
  std::shared_ptr<BlockPool> pool_;
  std::vector<PartList> keys_, values_;  // [heads]
  BlockRef means_;                       // written once
  // Device memory: [heads] of HeadView, then per head the key parts and the value parts,
  // [capacity_] each. synced_ counts the entries of each list that the table holds already.
  Buffer table_;
  size_t capacity_ = 0;
  std::vector<size_t> synced_;  // [heads, 2]
};

}  // namespace qpkv
