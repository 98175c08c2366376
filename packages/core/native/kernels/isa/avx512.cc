// The avx512 op table.
// Each header needs the one before:
// clang-format off
#include "kernels/isa/vec_avx512.h"
#include "kernels/isa/vec.h"
#include "kernels/isa/table.inl.h"
// clang-format on

namespace qpkv {
extern const Ops kAvx512Ops;
const Ops kAvx512Ops = kOpsOfThisFile;
extern const StatisticList kAvx512Statistics;
const StatisticList kAvx512Statistics = {
    kStatisticsOfThisFile, sizeof kStatisticsOfThisFile / sizeof *kStatisticsOfThisFile};
}  // namespace qpkv
