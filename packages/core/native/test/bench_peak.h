// Peaks of the machine for one thread, in GFLOP/s, by the widest instructions it has; a few
// milliseconds a call.
#pragma once
#include <cstddef>

namespace qpkv {
class Stream;
double PeakFma();  // float32 fused multiply-add
double PeakDot();  // bf16 pair dot; PeakFma where there is none
double ReadBandwidth(Stream& stream, const void* data, size_t bytes);  // GB/s over all threads
}  // namespace qpkv
