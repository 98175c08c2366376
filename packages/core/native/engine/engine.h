// A thread pool, an op table and the buffers that steps share. A step (a layer of a prefill, an
// appended chunk) holds the mutex.
#pragma once
#include <mutex>
#include <vector>

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

// A buffer of floats, on the host.
inline std::vector<float> DownloadFloats(Engine& engine, const Buffer& from) {
  std::vector<float> values(from.bytes() / sizeof(float));
  if (!values.empty()) engine.ops.Download(engine.stream, values.data(), from.data(), from.bytes());
  return values;
}

}  // namespace qpkv
