// The neon op table.
// Each header needs the one before:
// clang-format off
#include "kernels/isa/vec_neon.h"
#include "kernels/isa/byte_dots_neon.h"
#include "kernels/isa/vec.h"
#include "kernels/isa/table.inl.h"
// clang-format on

namespace qpkv {
extern const Ops kNeonOps;
const Ops kNeonOps = kOpsOfThisFile;
extern const StatisticList kNeonStatistics;
const StatisticList kNeonStatistics = {
    kStatisticsOfThisFile, sizeof kStatisticsOfThisFile / sizeof *kStatisticsOfThisFile};
}  // namespace qpkv
