// The avx512 op table.
#include "kernels/isa/vec_avx512.h"

#include "kernels/isa/vec.h"
#include "kernels/isa/table.inl.h"

namespace qpkv {
extern const Ops kAvx512Ops;
const Ops kAvx512Ops = kOpsOfThisFile;
}  // namespace qpkv
