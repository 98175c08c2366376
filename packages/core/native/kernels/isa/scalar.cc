// The scalar op table.
#include "kernels/isa/vec_scalar.h"

#include "kernels/isa/vec.h"
#include "kernels/isa/table.inl.h"

namespace qpkv {
extern const Ops kScalarOps;
const Ops kScalarOps = kOpsOfThisFile;
}  // namespace qpkv
