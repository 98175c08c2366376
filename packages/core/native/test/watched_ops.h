// An op table that counts: what is sent and read back, and what runs outside of a step.
#pragma once
#include <cstdint>

#include "engine/backends.h"

namespace qpkv {

struct WatchedCounts {
  uint64_t ops = 0;  // all calls: a launch each on a device
  uint64_t uploads = 0, downloads = 0;
  uint64_t products = 0;         // Matmul
  uint64_t outside = 0;          // of any op outside of an EngineLock
  uint64_t forward_outside = 0;  // of an op of the forward pass outside of Step
};

// One at a time.
class WatchedOps {
 public:
  explicit WatchedOps(const Table& inner);

  Table table() const { return table_; }
  const WatchedCounts& counts() const;

 private:
  Ops ops_;
  Table table_;
};

}  // namespace qpkv
