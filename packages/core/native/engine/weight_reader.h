// The tensors of a model's files. Matrices come in pieces of whole rows, read and made ready on
// threads of their own while earlier ones are packed.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/model_file.h"
#include "engine/stored_tensor.h"
#include "ops/dense_ops.h"

namespace qpkv {

class WeightReader {
 public:
  // threads: pieces at work at once, up to four, of at most 16 MB each.
  WeightReader(const std::vector<std::string>& paths, int threads);

  // The whole tensor: vectors and small tables.
  std::vector<uint8_t> Read(const TensorSource& tensor) const;

  // Rows [begin, end) of a matrix [rows, columns], in order, as PackWeight takes them for `format`:
  // the source of `args` is set, row_begin and row_end count from the matrix's first row. `pack`
  // must not keep them.
  void ForEachPiece(const TensorSource& tensor, const WeightFormat& format,
                    const std::function<void(const PackWeightArgs& args)>& pack) const;

 private:
  std::vector<std::unique_ptr<ModelFile>> files_;
  const int threads_;
};

}  // namespace qpkv
