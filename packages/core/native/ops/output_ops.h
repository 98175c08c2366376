// Arguments of the ops that look at logits. Conventions: ops.h.
#pragma once
#include <cstdint>

namespace qpkv {

struct ArgmaxArgs {
  const float* logits;  // [n]
  int n;
  int32_t* best;  // host
  bool* has_nan;  // host
};

}  // namespace qpkv
