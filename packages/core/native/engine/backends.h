// The backends of this process: the CPU's, and those opened from libraries at run time.
#pragma once
#include <string>
#include <vector>

#include "ops/backend.h"

namespace qpkv {

// An op table, the statistics beside it, and whose they are.
struct Table {
  const Backend* backend;
  const Ops* ops;
  const StatisticList* statistics;
};

// Opens a library and registers its backend, once for one path; it stays open until the process
// ends. Throws KV_UNSUPPORTED where there is none, it belongs to another version, or it cannot run
// here.
const Backend& OpenBackend(const std::string& path);

// The CPU's, best first.
std::vector<Table> AvailableTables();
// A backend's best table, or the named one. Throws KV_UNSUPPORTED with the names there are.
Table BestTable(const Backend& backend, const std::string& name);
// Of the CPU's. Throws KV_UNSUPPORTED with the names there are.
Table FindTable(const std::string& name);

}  // namespace qpkv
