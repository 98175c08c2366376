// A backend's table whose ops take host memory: what the arguments lead to is brought to the device
// before an op and back behind it. So the op suite, which looks into its buffers, runs over any
// backend.
#pragma once
#include "engine/backends.h"

namespace qpkv {

// One backend at a time.
class StagedOps {
 public:
  explicit StagedOps(const Table& inner);
  const Ops& ops() const { return ops_; }
  const StatisticList& statistics() const { return statistics_; }

 private:
  Ops ops_;
  StatisticList statistics_;
};

}  // namespace qpkv
