// The parts of one tensor (K or V) of one stored head, in storage order: sinks, packed, recent.
#pragma once
#include <vector>

#include "engine/block_pool.h"
#include "ops/ops.h"

namespace qpkv {

struct PartList {
  std::vector<Part> parts;
  std::vector<BlockRef> blocks;  // memory of each part
  int recent_begin = 0;          // index of the first recent part
  int tokens = 0;                // of all parts
  int recent_tokens = 0;

  void Insert(size_t index, const Part& part, BlockRef block) {
    parts.insert(parts.begin() + static_cast<long>(index), part);
    blocks.insert(blocks.begin() + static_cast<long>(index), std::move(block));
  }
  void Erase(size_t begin, size_t end) {
    parts.erase(parts.begin() + static_cast<long>(begin), parts.begin() + static_cast<long>(end));
    blocks.erase(blocks.begin() + static_cast<long>(begin), blocks.begin() + static_cast<long>(end));
  }
  size_t Bytes() const {
    size_t bytes = 0;
    for (const BlockRef& block : blocks) bytes += block->bytes;
    return bytes;
  }
};

struct KvHead {
  PartList keys, values;
  std::vector<int32_t> positions;  // of every stored token, in storage order; only where the layer tracks them

  PartList& list(Tensor tensor) { return tensor == Tensor::kKey ? keys : values; }
  const PartList& list(Tensor tensor) const { return tensor == Tensor::kKey ? keys : values; }
};

}  // namespace qpkv
