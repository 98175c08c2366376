// See part_store.h.
#include "engine/part_store.h"

#include <algorithm>

namespace qpkv {

PartStore::PartStore(std::shared_ptr<Engine> engine, std::shared_ptr<const FormatTable> formats,
                     int heads, int head_dim, PartNeeds needs)
    : engine_(std::move(engine)),
      formats_(std::move(formats)),
      head_dim_(head_dim),
      needs_(needs),
      pool_(std::make_shared<BlockPool>(engine_->device)),
      keys_(static_cast<size_t>(heads)),
      values_(static_cast<size_t>(heads)),
      synced_(2 * static_cast<size_t>(heads)) {}

PartStore::PartStore(const PartStore& other)
    : engine_(other.engine_),
      formats_(other.formats_),
      head_dim_(other.head_dim_),
      needs_(other.needs_),
      pool_(other.pool_),
      keys_(other.keys_),
      values_(other.values_),
      means_(other.means_),
      synced_(other.synced_.size()) {}

size_t PartStore::PartBytes(Tensor tensor, int segment, int part_tokens) const {
  return LayoutOf(tensor, formats_->Get(tensor, segment), part_tokens, head_dim_, needs(tensor))
      .bytes;
}

size_t PartStore::bytes() const {
  size_t sum = means_ ? means_->bytes : 0;
  for (const std::vector<PartList>* lists : {&keys_, &values_})
    for (const PartList& list : *lists)
      for (const StoredPart& part : list.parts) sum += part.block->bytes;
  return sum;
}

float* PartStore::OpenMeans() {
  means_ = pool_->Take(MeanBytes());
  return reinterpret_cast<float*>(means_->data);
}

Transform PartStore::TransformOf(Tensor tensor) const {
  Transform transform = formats_->TransformOf(tensor);
  if (tensor == Tensor::kKey) transform.means = means();
  return transform;
}

PartList& PartStore::Mutable(int head, Tensor tensor, size_t changed_from) {
  size_t& synced = synced_[2 * static_cast<size_t>(head) + (tensor == Tensor::kKey ? 0 : 1)];
  synced = std::min(synced, changed_from);
  return (tensor == Tensor::kKey ? keys_ : values_)[head];
}

void PartStore::Renumber(PartList* list, size_t from) {
  int first = from == 0 ? 0 : list->parts[from - 1].first + list->parts[from - 1].tokens;
  for (size_t i = from; i < list->parts.size(); ++i) {
    list->parts[i].first = first;
    first += list->parts[i].tokens;
  }
  list->tokens = first;
}

const StoredPart& PartStore::Open(int head, Tensor tensor, size_t index, int segment,
                                  int part_tokens) {
  StoredPart part;
  part.block = pool_->Take(PartBytes(tensor, segment, part_tokens));
  part.part_tokens = part_tokens;
  part.segment = segment;
  PartList& list = Mutable(head, tensor, index);
  list.parts.insert(list.parts.begin() + static_cast<long>(index), std::move(part));
  Renumber(&list, index);
  return list.parts[index];
}

void PartStore::Extend(int head, Tensor tensor, size_t index, int tokens) {
  PartList& list = Mutable(head, tensor, index + 1);
  list.parts[index].tokens += tokens;
  Renumber(&list, index);
}

void PartStore::Erase(int head, Tensor tensor, size_t begin, size_t end) {
  PartList& list = Mutable(head, tensor, begin);
  list.parts.erase(list.parts.begin() + static_cast<long>(begin),
                   list.parts.begin() + static_cast<long>(end));
  Renumber(&list, begin);
}

void PartStore::KeepFirst(int head, Tensor tensor, int tokens) {
  const std::vector<StoredPart>& parts = list(head, tensor).parts;
  size_t kept = parts.size();
  while (kept > 0 && parts[kept - 1].first >= tokens) --kept;
  Erase(head, tensor, kept, parts.size());
  if (kept == 0) return;
  PartList& cut = Mutable(head, tensor, kept);
  StoredPart& last = cut.parts.back();
  last.tokens = std::min(last.tokens, tokens - last.first);
  Renumber(&cut, kept);
}

void PartStore::Own(int head, Tensor tensor, size_t index) {
  if (list(head, tensor).parts[index].block.use_count() == 1) return;
  BlockRef& block = Mutable(head, tensor, index).parts[index].block;
  BlockRef copy = pool_->Take(block->bytes);
  engine_->ops.Copy(engine_->stream, copy->data, block->data, block->bytes);
  block = std::move(copy);
}

PartShape PartStore::ShapeOf(Tensor tensor, const StoredPart& part) const {
  return {tensor, OnHost(&formats_->Get(tensor, part.segment)), needs(tensor), part.part_tokens};
}

Part* PartStore::TableOf(int head, Tensor tensor) const {
  uint8_t* parts = static_cast<uint8_t*>(table_.data()) + keys_.size() * sizeof(HeadView);
  return reinterpret_cast<Part*>(parts) +
         (2 * static_cast<size_t>(head) + (tensor == Tensor::kKey ? 0 : 1)) * capacity_;
}

void PartStore::Grow(size_t parts) {
  capacity_ = std::max(parts, 2 * capacity_);
  std::fill(synced_.begin(), synced_.end(), 0);
  table_.Free();
  table_.Ensure(engine_->device, keys_.size() * (sizeof(HeadView) + 2 * capacity_ * sizeof(Part)));
}

void PartStore::Sync(DeviceWrites* writes, int last_position, int last_index) {
  size_t most = 1;
  for (const std::vector<PartList>* lists : {&keys_, &values_})
    for (const PartList& list : *lists) most = std::max(most, list.parts.size());
  if (most > capacity_) Grow(most);
  for (int head = 0; head < heads(); ++head) {
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue}) {
      const std::vector<StoredPart>& parts = list(head, tensor).parts;
      size_t& synced = synced_[2 * static_cast<size_t>(head) + (tensor == Tensor::kKey ? 0 : 1)];
      std::vector<Part> changed;
      for (size_t i = std::min(synced, parts.size()); i < parts.size(); ++i)
        changed.push_back({parts[i].block->data, parts[i].first,
                           static_cast<uint16_t>(parts[i].part_tokens),
                           static_cast<uint16_t>(parts[i].segment)});
      writes->Add(TableOf(head, tensor) + (parts.size() - changed.size()), changed.data(),
                  changed.size() * sizeof(Part));
      synced = parts.size();
    }
    HeadView view{};
    view.keys = TableOf(head, Tensor::kKey);
    view.values = TableOf(head, Tensor::kValue);
    view.key_parts = static_cast<int32_t>(list(head, Tensor::kKey).parts.size());
    view.value_parts = static_cast<int32_t>(list(head, Tensor::kValue).parts.size());
    view.tokens = tokens(head);
    view.last_position = last_position;
    view.last_index = last_index;
    writes->Add(static_cast<HeadView*>(table_.data()) + head, view);
  }
}

}  // namespace qpkv
