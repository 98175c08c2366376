// The executor's device memory: filled with NaN when it is new. Behind its end, rounded up to 64
// bytes, lies a page that nobody may touch: reading or writing there ends the process at once. What
// is written between them shows when the memory goes.
#pragma once
#include <cstddef>

namespace qpkv {
namespace executor {

[[noreturn]] void Refuse(const char* what);

void* AllocateDevice(size_t bytes);  // aligned to 64 bytes; null when there is none
void ReleaseDevice(void* data);
size_t TakenBytes();

}  // namespace executor
}  // namespace qpkv
