// Where kernels and copies run in order, and its memory: a CUDA stream, or the executor's.
//
// Nothing here throws or ends the process: what goes wrong is kept until TakeError.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "device/platform.h"
#ifndef __CUDACC__
#include <functional>
#include <mutex>
#include <vector>
#endif

namespace qpkv {
namespace cuda {

// What a Replay keeps.
class Recording {
 public:
  virtual ~Recording() = default;
};

class Queue {
 public:
  // `variant`: on a device nothing; on the executor it chooses the schedules.
  Queue(int device, int variant);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  bool ok() const { return ok_; }

  void* Allocate(size_t bytes);  // null when there is none; from any thread
  void Release(void* data);      // behind what is queued; from any thread

  // Host memory may be changed when they return.
  void CopyIn(void* device, const void* host, size_t bytes);
  void CopyOut(void* host, const void* device, size_t bytes);
  void CopyWithin(void* to, const void* from, size_t bytes);
  void Fill(void* device, int byte, size_t bytes);

  // Between them launches, copies within and fills are recorded instead of run.
  void BeginRecording();
  std::unique_ptr<Recording> EndRecording();  // null where it failed
  void Run(const Recording& recording);

  // A message about what has failed since the last call, or null; waits. *memory: for lack of it.
  const char* TakeError(bool* memory);

  template <class... Parameters, class... Arguments>
  void Launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
              size_t dynamic_shared, const Arguments&... arguments);

 private:
  bool ok_ = false;
#ifdef __CUDACC__
 public:
  void Note(cudaError_t error);  // keeps the first
  void Select() const;           // makes the device the thread's own

 private:
  int device_;
  cudaStream_t stream_ = nullptr;
  cudaError_t error_ = cudaSuccess;
  cudaMemPool_t pool_ = nullptr;
#else
  struct Kept;
  void RunOrRecord(std::function<void()> what);

  uint64_t seed_;
  std::vector<std::function<void()>>* recording_ = nullptr;
  std::unique_ptr<Kept> kept_;
#endif
};

#ifdef __CUDACC__
template <class... Parameters, class... Arguments>
void Queue::Launch(const char*, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                   size_t dynamic_shared, const Arguments&... arguments) {
  Select();
  if (dynamic_shared > (48 << 10))
    Note(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(dynamic_shared)));
  kernel<<<grid, block, dynamic_shared, stream_>>>(static_cast<Parameters>(arguments)...);
  Note(cudaGetLastError());
}
#else
template <class... Parameters, class... Arguments>
void Queue::Launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                   size_t dynamic_shared, const Arguments&... arguments) {
  RunOrRecord([=, seed = seed_] {
    executor::Launch(name, grid, block, dynamic_shared, seed,
                     [&] { kernel(static_cast<Parameters>(arguments)...); });
  });
}
#endif

// QPKV_LAUNCH(queue, kernel, grid, block, dynamic_shared, arguments...)
#define QPKV_LAUNCH(QUEUE, KERNEL, ...) (QUEUE).Launch(#KERNEL, KERNEL, __VA_ARGS__)

}  // namespace cuda
}  // namespace qpkv
