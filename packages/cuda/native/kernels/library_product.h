// Products of many rows by cuBLASLt, where it is asked for, there and faster.
#pragma once
#include "runtime/stream.h"

namespace qpkv {
namespace cuda {

// As MatmulBf16, but a row's bits depend on the rows beside it. False where the own kernels are to
// do it: nothing was queued.
bool LibraryProduct(CudaStream& on, const MatmulArgs& a);

}  // namespace cuda
}  // namespace qpkv
