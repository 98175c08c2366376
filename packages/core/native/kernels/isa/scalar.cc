// The scalar op table.
// Each header needs the one before:
// clang-format off
#include "kernels/isa/vec_scalar.h"
#include "kernels/isa/vec.h"
#include "kernels/isa/table.inl.h"
// clang-format on

namespace qpkv {
extern const Ops kScalarOps;
const Ops kScalarOps = kOpsOfThisFile;
extern const StatisticList kScalarStatistics;
const StatisticList kScalarStatistics = {
    kStatisticsOfThisFile, sizeof kStatisticsOfThisFile / sizeof *kStatisticsOfThisFile};
}  // namespace qpkv
