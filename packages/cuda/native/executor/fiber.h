// Switching stacks: what the executor's threads are made of.
#pragma once

// Saves the callee-saved registers on this stack, its pointer in *save, and goes on at `load`.
extern "C" void qpkv_switch_stack(void** save, void* load);

namespace qpkv {
namespace executor {

// A stack whose first switch enters `entry`; `top` is 64-byte aligned.
inline void* NewStack(void* top, void (*entry)()) {
  void** at = static_cast<void**>(top);
#if defined(__x86_64__)
  *--at = nullptr;  // the return address of entry, which never returns; keeps the ABI's alignment
  *--at = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--at = nullptr;
#elif defined(__aarch64__)
  at -= 20;
  for (int i = 0; i < 20; ++i) at[i] = nullptr;
  at[11] = reinterpret_cast<void*>(entry);  // x30
#else
#error "the executor knows x86-64 and arm64"
#endif
  return at;
}

}  // namespace executor
}  // namespace qpkv
