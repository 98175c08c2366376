// The avx2 op table.
// Each header needs the one before:
// clang-format off
#include "kernels/isa/vec_avx2.h"
#include "kernels/isa/byte_dots_avx2.h"
#include "kernels/isa/vec.h"
#include "kernels/isa/table.inl.h"
// clang-format on

namespace qpkv {
extern const Ops kAvx2Ops;
const Ops kAvx2Ops = kOpsOfThisFile;
extern const StatisticList kAvx2Statistics;
const StatisticList kAvx2Statistics = {
    kStatisticsOfThisFile, sizeof kStatisticsOfThisFile / sizeof *kStatisticsOfThisFile};
}  // namespace qpkv
