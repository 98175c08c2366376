// The executor's device memory: filled with NaN when it is new, checked for writes behind its end
// when it goes.
#pragma once
#include <cstddef>

namespace qpkv {
namespace executor {

[[noreturn]] void Refuse(const char* what);

void* AllocateDevice(size_t bytes);  // aligned to 256 bytes; null when there is none
void ReleaseDevice(void* data);
size_t TakenBytes();

}  // namespace executor
}  // namespace qpkv
