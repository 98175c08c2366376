// The reference's list of statistics, collected by the build.
#include "reference/statistics.h"

#include "statistics_of_reference.h"

namespace qpkv {
namespace reference {

#define QPKV_STATISTIC(NAME)         \
  namespace NAME {                   \
  extern const Statistic kStatistic; \
  }
QPKV_STATISTICS
#undef QPKV_STATISTIC

const StatisticList& Statistics() {
  static const Statistic items[] = {
#define QPKV_STATISTIC(NAME) NAME::kStatistic,
      QPKV_STATISTICS
#undef QPKV_STATISTIC
  };
  static const StatisticList list = {items, sizeof items / sizeof *items};
  return list;
}

}  // namespace reference
}  // namespace qpkv
