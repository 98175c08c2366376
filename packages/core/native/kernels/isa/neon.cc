// The neon op table.
#include "kernels/isa/vec_neon.h"

#include "kernels/isa/vec.h"
#include "kernels/isa/table.inl.h"

namespace qpkv {
extern const Ops kNeonOps;
const Ops kNeonOps = kOpsOfThisFile;
}  // namespace qpkv
