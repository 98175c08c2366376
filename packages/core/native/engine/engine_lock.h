// The engine to itself, in the order of asking: for steps, and for what is no forward pass
// (compression, reading tiles back, loading).
#pragma once
#include <mutex>

#include "engine/engine.h"

namespace qpkv {

class EngineLock {
 public:
  explicit EngineLock(Engine& engine);
  ~EngineLock();
  EngineLock(const EngineLock&) = delete;
  EngineLock& operator=(const EngineLock&) = delete;
  // Throws what went wrong on the device.
  void Finish() { CheckDevice(engine_); }

 private:
  Engine& engine_;
  std::lock_guard<FairMutex> lock_;
};

// Whether this thread holds one.
bool HoldsEngine();

}  // namespace qpkv
