// Items of part ops as kernels see them: what the host says about each, with its arrays sent along.
#pragma once
#include <vector>

#include "kernels/part_cells.h"
#include "ops/tile_ops.h"
#include "runtime/stream.h"

namespace qpkv {
namespace cuda {

struct PartItem {
  Tensor tensor;
  TensorFormat format;
  PartNeeds needs;
  PartLayout at;
  int part_tokens, tokens, first_slot;
  uint8_t* part;
  // Pack and MarkTokens: where they begin in the arrays sent along, in bytes; below 0: not given.
  int64_t index, positions, valid;
  const float* source;
  // Unpack.
  float* values;
  uint8_t* codes;
  float *scales, *offsets, *balance;
  int32_t* out_positions;
  size_t scratch, transformed;  // Pack: the item's parts of scratch, in floats
};

inline PartItem ItemOf(const PartShape& shape, int dim) {
  PartItem item{};
  item.tensor = shape.tensor;
  item.format = *shape.format.get();
  item.needs = shape.needs;
  item.part_tokens = shape.part_tokens;
  item.at = LayoutOf(shape.tensor, item.format, shape.part_tokens, dim, shape.needs);
  item.index = item.positions = item.valid = -1;
  return item;
}

// Host arrays of many items behind one another.
class SentArrays {
 public:
  // Where it will lie; below 0 for null.
  template <class T>
  int64_t Add(Host<const T> host, int count) {
    if (!host) return -1;
    const size_t at = bytes_.size();
    const auto* from = reinterpret_cast<const uint8_t*>(host.get());
    bytes_.insert(bytes_.end(), from, from + sizeof(T) * static_cast<size_t>(count));
    bytes_.resize((bytes_.size() + 15) / 16 * 16);
    return static_cast<int64_t>(at);
  }
  // Null where there is no memory for them.
  const uint8_t* Send(CudaStream& on) const {
    return on.Send(Slot::kIndex, bytes_.data(), bytes_.size());
  }

 private:
  std::vector<uint8_t> bytes_;
};

template <class T>
QPKV_DEVICE const T* SentArray(const uint8_t* arrays, int64_t at) {
  return at < 0 ? nullptr : reinterpret_cast<const T*>(arrays + at);
}

// Positions and valid bits of a key part's slots [first_slot, first_slot + tokens); null leaves
// them, `fill` makes all valid instead.
QPKV_DEVICE void MarkSlots(const PartItem& item, const int32_t* positions, const uint8_t* valid,
                           bool fill) {
  if (item.tensor != Tensor::kKey) return;
  const int me = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  if (item.needs.positions && positions != nullptr)
    for (int t = me; t < item.tokens; t += threads)
      reinterpret_cast<int32_t*>(item.part + item.at.positions)[item.first_slot + t] = positions[t];
  if (!item.needs.mask || (valid == nullptr && !fill)) return;
  for (int byte = me; byte < kTileTokens / 8; byte += threads) {  // a thread per byte of bits
    uint8_t bits = item.part[item.at.mask + static_cast<size_t>(byte)];
    for (int b = 0; b < 8; ++b) {
      const int t = 8 * byte + b - item.first_slot;
      if (t < 0 || t >= item.tokens) continue;
      const uint32_t bit = 1u << b;
      bits = static_cast<uint8_t>(valid == nullptr || valid[t] != 0 ? bits | bit : bits & ~bit);
    }
    item.part[item.at.mask + static_cast<size_t>(byte)] = bits;
  }
}

}  // namespace cuda
}  // namespace qpkv
