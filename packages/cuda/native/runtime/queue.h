// Where kernels and copies run in order, and its memory: a CUDA stream.
//
// Nothing here throws or ends the process: what goes wrong is kept until TakeError, and until then
// nothing runs, for what was not written (a table of pointers, say) must not be read.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "device/platform.h"
#ifndef __CUDACC__
#include "executor/runtime.h"
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
  int device() const { return device_; }

  void* Allocate(size_t bytes);  // null when there is none; from any thread
  void Release(void* data);      // behind what is queued; from any thread

  // Host memory may be changed when they return.
  void CopyIn(void* device, const void* host, size_t bytes);
  void CopyOut(void* host, const void* device, size_t bytes);
  void CopyWithin(void* to, const void* from, size_t bytes);
  void Fill(void* device, int byte, size_t bytes);

  // Between them launches, copies within and fills are recorded instead of run, in one thread,
  // which neither allocates nor releases meanwhile; other threads that do so wait.
  void BeginRecording();
  std::unique_ptr<Recording> EndRecording();  // null where it failed
  bool recording() const { return recording_; }
  void Run(const Recording& recording);

  // What another library queues: run(stream), which says whether it has; false where it has not.
  template <class Run>
  bool Enqueue(const Run& run) {
    return Begin() && run(stream_);
  }
  // Milliseconds on the device of one of `times` runs; negative where that cannot be said. Waits.
  float Milliseconds(const std::function<void()>& run, int times);

  void NoteNoMemory();  // for whom Allocate had none
  // A message about what has failed since the last call, or null; waits. *memory: for lack of it.
  const char* TakeError(bool* memory);

  template <class... Parameters, class... Arguments>
  void Launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
              size_t dynamic_shared, const Arguments&... arguments);

 private:
  void Note(cudaError_t error);  // keeps the first
  bool Begin();                  // makes the device the thread's own; false: nothing is to run

  bool ok_ = false;
  bool recording_ = false;
  int device_;
  int variant_;
  cudaStream_t stream_ = nullptr;
  cudaMemPool_t pool_ = nullptr;
  std::atomic<cudaError_t> error_{cudaSuccess};
  std::mutex memory_;  // held while recording: no other thread's memory may become part of it
};

template <class... Parameters, class... Arguments>
void Queue::Launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                   size_t dynamic_shared, const Arguments&... arguments) {
  if (!Begin()) return;
  if (dynamic_shared > (48 << 10))
    Note(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(dynamic_shared)));
#ifdef __CUDACC__
  (void)name;
  kernel<<<grid, block, dynamic_shared, stream_>>>(static_cast<Parameters>(arguments)...);
#else
  executor::LaunchOn(stream_, reinterpret_cast<const void*>(kernel), name, grid, block,
                     dynamic_shared, variant_,
                     [=] { kernel(static_cast<Parameters>(arguments)...); });
#endif
  Note(cudaGetLastError());
}

// QPKV_LAUNCH(queue, kernel, grid, block, dynamic_shared, arguments...)
#define QPKV_LAUNCH(QUEUE, KERNEL, ...) (QUEUE).Launch(#KERNEL, KERNEL, __VA_ARGS__)

}  // namespace cuda
}  // namespace qpkv
