// Products on tensor cores, both factors in bf16, sums in float32.
#pragma once
#include "runtime/stream.h"

namespace qpkv {
namespace cuda {

// a.weight is exact bf16; x is rounded. A row gives the same bits alone and among others.
void MatmulBf16(CudaStream& on, const MatmulArgs& a);

}  // namespace cuda
}  // namespace qpkv
