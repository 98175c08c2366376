// Arguments of the ops that look at logits. Conventions: ops.h.
#pragma once
#include <cstdint>

#include "ops/memory_space.h"

namespace qpkv {

struct ArgmaxArgs {
  const float* logits;  // [n]
  int n;
  Host<int32_t> best;
  Host<bool> has_nan;
};

}  // namespace qpkv
