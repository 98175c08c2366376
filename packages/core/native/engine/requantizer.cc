// See requantizer.h.
#include "engine/requantizer.h"

namespace qpkv {

int Requantizer::Read(const PartStore& store, Tensor tensor, const StoredPart& part) {
  UnpackItem item{};
  item.shape = store.ShapeOf(tensor, part);
  item.part = part.block->data;
  item.tokens = part.tokens;
  reads_.push_back(item);
  alive_.push_back(part.block);
  const int row = rows_;
  rows_ += part.tokens;
  return row;
}

void Requantizer::Write(const PartStore& store, Target target) {
  PackItem item{};
  item.shape = store.ShapeOf(target.tensor, *target.part);
  item.out = target.part->block->data;
  item.positions = OnHost(target.positions);
  item.valid = OnHost(target.valid);
  item.tokens = target.tokens;
  item.first_slot = target.first_slot;
  writes_.push_back(item);
  alive_.push_back(target.part->block);
  if (target.rows.empty())
    for (int i = 0; i < target.tokens; ++i) target.rows.push_back(target.row + i);
  indices_.push_back(std::move(target.rows));
}

void Requantizer::Run(Engine& engine, int head_dim) {
  if (writes_.empty()) return;
  const auto values = engine.Floats(Slot::kUnpacked, rows_, head_dim);
  int row = 0;
  for (UnpackItem& item : reads_) {
    item.values = values.row(row);
    row += item.tokens;
  }
  for (size_t i = 0; i < writes_.size(); ++i) {
    writes_[i].source = values;
    writes_[i].index = OnHost<const int32_t>(indices_[i].data());
  }
  engine.ops.Unpack(engine.stream, {OnHost<const UnpackItem>(reads_.data()),
                                    static_cast<int>(reads_.size()), head_dim});
  engine.ops.Pack(engine.stream, {OnHost<const PackItem>(writes_.data()),
                                  static_cast<int>(writes_.size()), head_dim});
  reads_.clear(), writes_.clear(), indices_.clear(), alive_.clear();
  rows_ = 0;
}

}  // namespace qpkv
