// Prefill attention on tensor cores.
#pragma once
#include "runtime/stream.h"

namespace qpkv {
namespace cuda {

// q, k, v and the probabilities rounded to bf16, sums in float32.
void PrefillAttentionBf16(CudaStream& on, const PrefillAttentionArgs& a);

}  // namespace cuda
}  // namespace qpkv
