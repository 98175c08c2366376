// The part of the CUDA runtime that this backend calls, on the host: everything runs at once, in
// the calling thread, and memory is the executor's. So runtime/*.cu are the same code here as on a
// device.
//
// What devices, drivers and calls do wrong can be asked for, by the environment, which is read at
// every call so that a test may change it while a model runs:
//   QPKV_EXECUTOR_MEMORY=BYTES     how many bytes the device has
//   QPKV_EXECUTOR_FAIL=NAME:N:CODE the Nth call of NAME (or of any: *) from now on returns CODE;
//   700
//                                  and above lose the device: every later call returns it, too
//   QPKV_EXECUTOR_DRIVER=VERSION   of the driver, 0 for none    (when the library is opened)
//   QPKV_EXECUTOR_DEVICES=N        how many devices there are   (when the library is opened)
//   QPKV_EXECUTOR_CAPABILITY=N     10 * major + minor, of all devices
//   QPKV_EXECUTOR_REPORT=FILE      written whenever a stream ends: calls so far, bytes still taken
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

#include "executor/executor.h"

// As numbered by CUDA 13.
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureInvalidated = 901,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum { cudaStreamNonBlocking = 1 };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal };
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
enum cudaDeviceAttr { cudaDevAttrComputeCapabilityMajor };

using cudaStream_t = struct ExecutorStream*;
using cudaEvent_t = struct ExecutorEvent*;
using cudaGraph_t = struct ExecutorGraph*;
using cudaGraphExec_t = struct ExecutorGraph*;
using cudaMemPool_t = struct ExecutorPool*;
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major, minor;
};

cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* about, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t error);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamDestroy(cudaStream_t stream);

cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t begin, cudaEvent_t end);
cudaError_t cudaEventDestroy(cudaEvent_t event);

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value);
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t bytes);
cudaError_t cudaMallocAsync(void** data, size_t bytes, cudaStream_t stream);
cudaError_t cudaFreeAsync(void* data, cudaStream_t stream);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* to, int byte, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* ready, cudaGraph_t graph, uint64_t flags);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph);
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream);

namespace qpkv {
namespace executor {

// The largest size of dynamic shared memory without cudaFuncSetAttribute.
constexpr size_t kPlainDynamicShared = 48 << 10;

cudaError_t AllowDynamicShared(const void* kernel, size_t bytes);
// kernel<<<grid, block, dynamic_shared, stream>>>(...): `body` calls it for one thread.
void LaunchOn(cudaStream_t stream, const void* kernel, const char* name, Extent grid, Extent block,
              size_t dynamic_shared, int variant, std::function<void()> body);

}  // namespace executor
}  // namespace qpkv

template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel* kernel, cudaFuncAttribute, int bytes) {
  return qpkv::executor::AllowDynamicShared(reinterpret_cast<const void*>(kernel),
                                            static_cast<size_t>(bytes));
}
