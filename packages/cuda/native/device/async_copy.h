// Copies of 16 bytes from global to shared memory that run beside the threads. What was copied may
// be read after WaitCopies and a barrier.
#pragma once
#include "device/platform.h"

namespace qpkv {
namespace cuda {

#ifdef __CUDACC__
QPKV_DEVICE void CopyAsync16(void* shared, const void* global) {
  const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global) : "memory");
}
// The copies of this thread since the last call are a group.
QPKV_DEVICE void CommitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Until at most the newest kPending groups of this thread are under way.
template <int kPending>
QPKV_DEVICE void WaitCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}
#else
QPKV_DEVICE void CopyAsync16(void* shared, const void* global) {
  executor::CopyLater(shared, global, 16);
}
QPKV_DEVICE void CommitCopies() { executor::CommitCopies(); }
template <int kPending>
QPKV_DEVICE void WaitCopies() {
  executor::WaitCopies(kPending);
}
#endif

}  // namespace cuda
}  // namespace qpkv
