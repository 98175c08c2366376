// The op tables of this build that this CPU can run, as a backend.
#pragma once
#include "ops/backend.h"

namespace qpkv {

const Backend* CpuBackend(uint64_t abi);

// Its tables, best first; "reference" is last and only in builds with tests.
const Ops* const* AvailableOps(int* count);
const Ops* FindOps(const char* name);  // null when unknown or not supported here

// The statistics beside one of the CPU's tables.
const StatisticList& StatisticsOf(const Ops& ops);

}  // namespace qpkv
