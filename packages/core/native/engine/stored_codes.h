// A tensor's own codes and scales, for weight formats that hold every value of its blocks.
#pragma once
#include <cstdint>
#include <vector>

#include "engine/stored_tensor.h"
#include "ops/dense_ops.h"

namespace qpkv {

// Whether `format` holds the values of blocks of this type exactly.
bool HoldsBlocks(const WeightFormat& format, BlockType type);

class StoredCodes {
 public:
  // data: [bytes()] of the source, whose blocks `format` holds. Rows are in the engine's order.
  StoredCodes(const TensorSource& source, const uint8_t* data, const WeightFormat& format);

  void SetSource(PackWeightArgs* args) const;  // codes, scales and minima

 private:
  std::vector<uint8_t> codes_;            // [rows, columns]
  std::vector<uint8_t> scales_, minima_;  // [rows, groups] of the format's elements
};

}  // namespace qpkv
