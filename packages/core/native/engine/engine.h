// A device and the buffers that steps share. A step (a layer of a prefill, an appended chunk) holds
// the mutex.
#pragma once
#include <mutex>
#include <vector>

#include "engine/buffer.h"
#include "engine/device.h"
#include "engine/fair_mutex.h"

namespace qpkv {

class Engine {
 public:
  Engine(const Table& table, int threads, int device_index = 0)
      : device(table, device_index, threads),
        ops(device.ops),
        statistics(*table.statistics),
        stream(device.stream) {}

  float* Floats(Slot slot, size_t count) { return workspace_.Floats(device, slot, count); }

  int32_t* Ints(Slot slot, size_t count) { return workspace_.Ints(device, slot, count); }

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

// A buffer of floats, on the host.
inline std::vector<float> DownloadFloats(Engine& engine, const Buffer& from) {
  std::vector<float> values(from.bytes() / sizeof(float));
  if (!values.empty()) engine.Download(values.data(), from.data(), from.bytes());
  return values;
}

}  // namespace qpkv
