// The naive statistics of the reference table.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
namespace reference {

const StatisticList& Statistics();

}  // namespace reference
}  // namespace qpkv
