// A device in use: an op table and a stream of its backend. Whoever holds memory of it (Buffer)
// must go before it does.
#pragma once
#include "engine/backends.h"
#include "engine/error.h"

namespace qpkv {

inline void ThrowIfLost(const StreamStatus& status) {
  if (status.trouble == Trouble::kDevice)
    throw Error("KV_ADDON",
                std::string("The device failed: ") + status.message + ". Load the model again.");
}

class OpenDevice {
 public:
  OpenDevice(const Table& table, int index, int threads)
      : ops(*table.ops), stream(Create(*table.backend, index, threads)), backend_(*table.backend) {}
  ~OpenDevice() { backend_.DestroyStream(&stream); }
  OpenDevice(const OpenDevice&) = delete;
  OpenDevice& operator=(const OpenDevice&) = delete;

  int threads() const { return backend_.Threads(stream); }

  const Ops& ops;
  Stream& stream;

 private:
  static Stream& Create(const Backend& backend, int index, int threads) {
    Stream* made = backend.CreateStream(index, threads);
    if (made != nullptr) return *made;
    const bool there = index >= 0 && index < backend.device_count;
    throw Error(
        "KV_UNSUPPORTED",
        "The device " + std::to_string(index) + " of the backend '" + backend.name + "'" +
            (there ? std::string(" (") + backend.devices[index].name + ")" : std::string()) +
            " cannot be opened.");
  }

  const Backend& backend_;
};

}  // namespace qpkv
