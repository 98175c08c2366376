// A thread pool, an op table and the buffers that steps share. A step (a layer of a prefill, an appended chunk) holds the mutex.
#pragma once
#include <mutex>

#include "base/stream.h"
#include "engine/buffer.h"
#include "ops/ops.h"

namespace qpkv {

class Engine {
 public:
  Engine(const Ops& table, int threads) : ops(table), stream(threads) {}

  float* Floats(Slot slot, size_t count) { return workspace_.Floats(ops, slot, count); }

  const Ops& ops;
  Stream stream;
  std::mutex mutex;

 private:
  Workspace workspace_;
};

}  // namespace qpkv
