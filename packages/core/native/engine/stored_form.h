// What the plan says about the form in which a layer stores K or V (Transform in
// ops/tensor_format.h), and the way back on the host, for reading parts back.
#pragma once
#include <vector>

#include "ops/tensor_format.h"

namespace qpkv {

struct StoredForm {
  bool center = false;       // keys: less the mean of the kept ones
  bool rotate = false;       // by the Walsh-Hadamard matrix
  std::vector<float> signs;  // [headDim] 1 or -1, before the rotation; empty: none change

  bool none() const { return !center && !rotate; }
};

// values: [tokens, dim] of one head as stored, taken back in place. means: [dim], or empty.
void RestoreValues(const StoredForm& form, const std::vector<float>& means, int dim,
                   std::vector<float>* values);

}  // namespace qpkv
