// Moves tokens between parts, of however many layers and sequences: reads parts back and writes
// rows of what was read into others, all reads in one op and all writes in another. Exact parts
// keep their values; packed ones are coded again from what they read as.
#pragma once
#include <vector>

#include "engine/part_store.h"

namespace qpkv {

class Requantizer {
 public:
  // All tokens of a part, which may be dropped before Run(). Returns the row of its first token.
  int Read(const PartStore& store, Tensor tensor, const StoredPart& part);

  struct Target {
    Tensor tensor;
    const StoredPart* part;  // owned, or new
    int first_slot;
    int row, tokens;                     // rows [row, row + tokens) of what was read ...
    std::vector<int32_t> rows = {};      // ... or these rows instead
    const int32_t* positions = nullptr;  // [tokens] where parts have them
    const uint8_t* valid = nullptr;      // [tokens], null: all
  };
  // positions and valid stay where they are until Run(), and so does the store.
  void Write(const PartStore& store, Target target);

  // Where the stores' heads have `head_dim` channels each.
  void Run(Engine& engine, int head_dim);

 private:
  std::vector<BlockRef> alive_;
  std::vector<UnpackItem> reads_;
  std::vector<PackItem> writes_;
  std::vector<std::vector<int32_t>> indices_;  // of the writes
  int rows_ = 0;
};

}  // namespace qpkv
