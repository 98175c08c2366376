// The values of a tensor as ops take them: exact elements, rows in the engine's order.
//
// What lies in the file as it is wanted is passed on without a copy. Blocks of codes are read into
// float32, and rows of q and k that stand in pairs of rotated channels (0, d / 2, 1, d / 2 + 1,
// ...) are put into the order of halves (0, 1, ..., d - 1) that the Rope op expects.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/block_source.h"
#include "ops/tensor_format.h"

namespace qpkv {

struct TensorSource {
  int file = 0;
  size_t offset = 0;
  Element element = Element::kBf16;
  bool in_blocks = false;  // `block` says how the values lie, `element` nothing
  BlockType block = BlockType::kQ8_0;
  int paired_rows = 0;  // head dimension where rows stand in pairs, else 0
  std::vector<int> shape;

  size_t count() const;  // values
  size_t bytes() const;  // in the file
  // Of the values that StoredTensor hands on.
  Element read_element() const { return in_blocks ? Element::kF32 : element; }
};

// The file's row that holds the engine's row; `paired_rows` of a TensorSource.
size_t SourceRow(size_t row, int paired_rows);

class StoredTensor {
 public:
  // data: [bytes()] of the source, which must outlive this object.
  StoredTensor(const TensorSource& source, const uint8_t* data);

  const void* data() const { return own_.empty() ? file_ : own_.data(); }

 private:
  const uint8_t* file_;
  std::vector<uint8_t> own_;  // empty where the file is passed on
};

}  // namespace qpkv
