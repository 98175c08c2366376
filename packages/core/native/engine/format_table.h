// The formats of a layer's segments, one for K and one for V each, on the host and on the device,
// codebooks with them. Parts name their format by the segment's index. Beside them the stored
// forms, which hold for all segments.
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
    return (tensor == Tensor::kKey ? keys_ : values_)[segment];
  }
  const StoredForm& Form(Tensor tensor) const {
    return tensor == Tensor::kKey ? key_form_ : value_form_;
  }
  // As ops take it, means aside.
  Transform TransformOf(Tensor tensor) const {
    return {nullptr, tensor == Tensor::kKey ? key_signs_ : value_signs_, Form(tensor).rotate};
  }
  // On the device, [segments].
  const TensorFormat* OnDevice(Tensor tensor) const {
    return static_cast<const TensorFormat*>(memory_.data()) +
           (tensor == Tensor::kKey ? 0 : segments());
  }

 private:
  std::shared_ptr<Engine> engine_;
  std::vector<TensorFormat> keys_, values_;
  StoredForm key_form_, value_form_;
  const float *key_signs_ = nullptr, *value_signs_ = nullptr;  // in memory_
  Buffer memory_;  // keys_, values_, then the codebooks and the signs
};

}  // namespace qpkv
