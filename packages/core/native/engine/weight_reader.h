// The tensors of a model's files in pieces of whole rows. While one piece is used the next is read.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/model_file.h"
#include "engine/stored_tensor.h"

namespace qpkv {

class WeightReader {
 public:
  explicit WeightReader(const std::vector<std::string>& paths);

  // The whole tensor: vectors and small tables.
  std::vector<uint8_t> Read(const TensorSource& tensor) const;
  // Rows [begin, end) of [rows, ...] as StoredTensor gives them, in order. `use` must not keep the
  // data. At most two pieces are in memory.
  void ForEachPiece(const TensorSource& tensor,
                    const std::function<void(int begin, int end, const void* rows)>& use) const;

 private:
  std::vector<std::unique_ptr<ModelFile>> files_;
};

}  // namespace qpkv
