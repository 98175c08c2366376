// The operation entropy-gate on scores.
#pragma once
#include "runtime/stream.h"

namespace qpkv {
namespace cuda {

// On the host: sorts of sorts over a few thousand scores, once per layer and prefill; it waits.
void EntropyGate(CudaStream& on, const ScoreOperationArgs& a);

}  // namespace cuda
}  // namespace qpkv
