// The "mirror": a backend for tests that behaves like a device apart, computed by the best table of
// this CPU. Its memory cannot be read or written by the host; an op reaches what its arguments lead
// to and nothing else; pointers that are not its own end the process; and Replay keeps what ops
// were called with, so that whatever the engine tells them by host memory or by value is stale the
// second time.
//
// A shared library of its own, opened like any other backend.
#pragma once
#include <cstdint>

namespace qpkv {

// Since the library was opened; for tests: `extern "C" const MirrorCounts* qpkv_mirror_counts()`.
struct MirrorCounts {
  uint64_t ops, uploads, downloads, checks;
  uint64_t recordings, replays;
};

}  // namespace qpkv
