// A backend: op tables, statistics and devices behind one symbol. The CPU's is part of the addon;
// others are shared libraries that are opened at run time (engine/backends.h).
//
// A library is built from the headers in ops/ alone and exports
//
//   extern "C" const qpkv::Backend* qpkv_backend(uint64_t abi);
//
// `abi` is the hash of these headers as the caller was built with them (kAbi of abi_hash.h). Where
// it is another than the library's own, the library returns a Backend that holds nothing but `abi`
// and `why_not`; so does one that finds no device.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ops/ops.h"
#include "ops/statistic.h"

namespace qpkv {

struct Device {
  const char* name;     // for messages and result files
  size_t memory_bytes;  // in all; 0: unknown
};

struct Backend {
  uint64_t abi;                            // first, so that it can be read whatever follows
  const char* why_not;                     // null, or why nothing of this backend can run here
  const char* name;                        // "cpu", "cuda", ...
  const Ops* const* tables;                // [table_count] that can run here, best first
  const StatisticList* const* statistics;  // [table_count]: those of each table
  int table_count;
  const Device* devices;  // [device_count]
  int device_count;
  // A stream of the device; null when there is none to be had. `threads` is how many host threads
  // may work in it where it computes with host threads.
  Stream* (*CreateStream)(int device, int threads);
  void (*DestroyStream)(Stream*);
  int (*Threads)(const Stream&);  // host threads that compute
};

// What a library returns that cannot serve.
inline Backend RefusedBackend(uint64_t abi, const char* why_not) {
  return {abi, why_not, "", nullptr, nullptr, 0, nullptr, 0, nullptr, nullptr, nullptr};
}

using BackendEntry = const Backend* (*)(uint64_t abi);
constexpr const char* kBackendSymbol = "qpkv_backend";

}  // namespace qpkv
