// The formats of a layer's segments, one for K and one for V each, on the host and on the device,
// codebooks with them. Parts name their format by the segment's index.
#pragma once
#include <memory>
#include <vector>

#include "engine/engine.h"
#include "engine/plan.h"

namespace qpkv {

class FormatTable {
 public:
  FormatTable(std::shared_ptr<Engine> engine, const LayerPlan& plan);

  int segments() const { return static_cast<int>(keys_.size()); }
  // On the host; its codebook lies on the device.
  const TensorFormat& Get(Tensor tensor, int segment) const {
    return (tensor == Tensor::kKey ? keys_ : values_)[static_cast<size_t>(segment)];
  }
  // On the device, [segments].
  const TensorFormat* OnDevice(Tensor tensor) const {
    return static_cast<const TensorFormat*>(memory_.data()) +
           (tensor == Tensor::kKey ? 0 : segments());
  }

 private:
  std::shared_ptr<Engine> engine_;
  std::vector<TensorFormat> keys_, values_;
  Buffer memory_;  // keys_, values_, then the codebooks
};

}  // namespace qpkv
