// Peaks of the machine for one thread, in GFLOP/s or GOP/s, by the instructions that a table of
// that name multiplies with; a few milliseconds a call.
#pragma once
#include <cstddef>

namespace qpkv {
class Stream;

enum class Peak {
  kFma,      // float32 fused multiply-add
  kPairDot,  // pairs of bf16; kFma where there is no such instruction
  kWordDot,  // pairs of 16-bit words into int32
  kByteDot,  // quads of bytes into int32; on AVX2 pairs into words
};
double PeakRate(Peak peak, const char* table);
const char* NameOf(Peak peak, const char* table);

double ReadBandwidth(Stream& stream, const void* data, size_t bytes);  // GB/s over all threads
}  // namespace qpkv
