// A device and the buffers that steps share. A step (a layer of a prefill, an appended chunk) holds
// the mutex.
#pragma once
#include <mutex>
#include <vector>

#include "engine/buffer.h"
#include "engine/device.h"
#include "engine/fair_mutex.h"
#include "engine/matrix_view.h"

namespace qpkv {

class Engine {
 public:
  Engine(const Table& table, int threads, int device_index = 0)
      : device(table, device_index, threads),
        ops(device.ops),
        statistics(*table.statistics),
        stream(device.stream) {}

  float* Floats(Slot slot, size_t count) { return workspace_.Floats(device, slot, count); }
  MatrixView<float> Floats(Slot slot, int rows, int columns) {
    return {Floats(slot, Elements(rows, columns)), columns};
  }

  void* Bytes(Slot slot, size_t count) { return workspace_.Bytes(device, slot, count); }

  uint64_t moves() const { return workspace_.moves(); }

  void Upload(void* to, const void* host, size_t bytes) {
    ops.Upload(stream, to, OnHost(host), bytes);
  }
  void Download(void* host, const void* from, size_t bytes) {
    ops.Download(stream, OnHost(host), from, bytes);
  }

  OpenDevice device;
  const Ops& ops;
  const StatisticList& statistics;  // of the table
  Stream& stream;
  FairMutex mutex;

 private:
  Workspace workspace_;
};

// Throws what went wrong on the device since the last time.
inline void CheckDevice(Engine& engine) {
  const StreamStatus status = engine.ops.Check(engine.stream);
  if (status.trouble == Trouble::kNone) return;
  if (status.trouble == Trouble::kMemory)
    throw Error("KV_MEMORY", std::string("The step failed: ") + status.message + ".");
  ThrowIfLost(status);
}

// A buffer of floats, on the host.
inline std::vector<float> DownloadFloats(Engine& engine, const Buffer& from) {
  std::vector<float> values(from.bytes() / sizeof(float));
  if (!values.empty()) engine.Download(values.data(), from.data(), from.bytes());
  return values;
}

}  // namespace qpkv
