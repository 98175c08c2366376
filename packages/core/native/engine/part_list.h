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
    blocks.erase(blocks.begin() + static_cast<long>(begin),
                 blocks.begin() + static_cast<long>(end));
  }
  size_t Bytes() const {
    size_t bytes = 0;
    for (const BlockRef& block : blocks) bytes += block->bytes;
    return bytes;
  }
};

struct KvHead {
  PartList keys, values;
  // One entry per stored token, in storage order; empty where the layer does not need them.
  std::vector<int32_t> positions;  // in the text
  std::vector<int32_t> indices;    // what RoPE turns the key by, where that is not the position
  std::vector<uint8_t> valid;      // 0: evicted, its bit in the tile's mask is clear
  std::vector<float> scores;       // running scores
  int evicted = 0;                 // zeros in `valid`

  int kept() const { return keys.tokens - evicted; }

  PartList& list(Tensor tensor) { return tensor == Tensor::kKey ? keys : values; }
  const PartList& list(Tensor tensor) const { return tensor == Tensor::kKey ? keys : values; }
};

}  // namespace qpkv
