// Memory of the host: 64-byte aligned, in huge pages where that helps.
#pragma once
#include <cstddef>

namespace qpkv {

void* AllocateAligned(size_t bytes);  // null when there is no memory; contents unspecified
void ReleaseAligned(void* data, size_t bytes);

// Bytes that this process holds of it, and the most that it has held since ForgetMost().
struct HeldMemory {
  size_t now, most;
};
HeldMemory MemoryHeld();
void ForgetMost();

}  // namespace qpkv
