// See runtime.h.
#include "executor/runtime.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "executor/memory.h"

using Calls = std::vector<std::function<void()>>;
struct ExecutorGraph {
  Calls calls;
};
struct ExecutorStream {
  std::unique_ptr<ExecutorGraph> capture;  // while it is being captured
  bool spoilt = false;                     // by a call that cannot be captured
};
struct ExecutorEvent {
  std::chrono::steady_clock::time_point at;
};
struct ExecutorPool {};

namespace {

using qpkv::executor::Refuse;

int Setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

// What QPKV_EXECUTOR_FAIL asks for, and how far it has come.
struct Failing {
  std::mutex mutex;
  std::string asked, name;
  long left = 0;
  int code = 0;
  cudaError_t lost = cudaSuccess;
  std::map<const void*, size_t> dynamic_shared;  // that a kernel was allowed to have
};
Failing& Fails() {
  static Failing failing;
  return failing;
}
std::atomic<uint64_t> calls{0};
thread_local cudaError_t last = cudaSuccess;

cudaError_t Keep(cudaError_t error) {
  if (error != cudaSuccess) last = error;
  return error;
}

// Before what a call does: an error that it returns instead.
cudaError_t Injected(const char* call) {
  ++calls;
  Failing& f = Fails();
  std::lock_guard<std::mutex> lock(f.mutex);
  const char* text = std::getenv("QPKV_EXECUTOR_FAIL");
  const std::string asked = text == nullptr ? "" : text;
  if (asked != f.asked) {
    f.asked = asked;
    f.lost = cudaSuccess;
    f.left = 0;
    char name[64];
    if (std::sscanf(asked.c_str(), "%63[^:]:%ld:%d", name, &f.left, &f.code) == 3)
      f.name = name;
    else if (!asked.empty())
      Refuse("QPKV_EXECUTOR_FAIL is NAME:N:CODE");
  }
  if (f.lost != cudaSuccess) return Keep(f.lost);
  if (f.left == 0 || (f.name != "*" && f.name != call) || --f.left > 0) return cudaSuccess;
  const auto error = static_cast<cudaError_t>(f.code);
  if (error >= cudaErrorIllegalAddress && error != cudaErrorStreamCaptureInvalidated)
    f.lost = error;
  return Keep(error);
}
#define QPKV_MAY_FAIL \
  if (const cudaError_t injected = Injected(__func__)) return injected

// A call that waits, or touches the host, cannot be part of a graph.
cudaError_t NotCaptured(cudaStream_t stream) {
  if (stream->capture == nullptr) return cudaSuccess;
  stream->spoilt = true;
  return Keep(cudaErrorStreamCaptureInvalidated);
}

cudaError_t RunOrCapture(cudaStream_t stream, std::function<void()> what) {
  if (stream->capture != nullptr)
    stream->capture->calls.push_back(std::move(what));
  else
    what();
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaDriverGetVersion(int* version) {
  *version = Setting("QPKV_EXECUTOR_DRIVER", 13000);
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  QPKV_MAY_FAIL;
  *count = Setting("QPKV_EXECUTOR_DEVICES", 1);
  if (Setting("QPKV_EXECUTOR_DRIVER", 13000) < 13000) return Keep(cudaErrorInsufficientDriver);
  return *count == 0 ? Keep(cudaErrorNoDevice) : cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* about, int) {
  QPKV_MAY_FAIL;
  *about = {"CUDA kernels on the host", 0, 0, 0};
  about->major = Setting("QPKV_EXECUTOR_CAPABILITY", 90) / 10;
  about->minor = Setting("QPKV_EXECUTOR_CAPABILITY", 90) % 10;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  QPKV_MAY_FAIL;
  *value = Setting("QPKV_EXECUTOR_CAPABILITY", 90) / 10;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) {
  QPKV_MAY_FAIL;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return std::exchange(last, cudaSuccess); }
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    default:
      return "an error of the executor";
  }
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  QPKV_MAY_FAIL;
  *stream = new ExecutorStream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  QPKV_MAY_FAIL;
  return NotCaptured(stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  const char* path = std::getenv("QPKV_EXECUTOR_REPORT");
  if (std::FILE* file = path == nullptr ? nullptr : std::fopen(path, "w")) {
    std::fprintf(file, "%llu %zu", static_cast<unsigned long long>(calls.load()),
                 qpkv::executor::TakenBytes());
    std::fclose(file);
  }
  return Injected(__func__);
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  QPKV_MAY_FAIL;
  *event = new ExecutorEvent;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  QPKV_MAY_FAIL;
  event->at = std::chrono::steady_clock::now();
  return NotCaptured(stream);
}
cudaError_t cudaEventSynchronize(cudaEvent_t) {
  QPKV_MAY_FAIL;
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t begin, cudaEvent_t end) {
  QPKV_MAY_FAIL;
  *ms = std::chrono::duration<float, std::milli>(end->at - begin->at).count();
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return Injected(__func__);
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  QPKV_MAY_FAIL;
  static ExecutorPool only;
  *pool = &only;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
  QPKV_MAY_FAIL;
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) {
  QPKV_MAY_FAIL;
  return cudaSuccess;
}
cudaError_t cudaMallocAsync(void** data, size_t bytes, cudaStream_t stream) {
  QPKV_MAY_FAIL;
  if (stream->capture != nullptr) Refuse("memory is taken inside of a Replay");
  *data = qpkv::executor::AllocateDevice(bytes);
  return *data == nullptr ? Keep(cudaErrorMemoryAllocation) : cudaSuccess;
}
// A device that is lost keeps no memory.
cudaError_t cudaFreeAsync(void* data, cudaStream_t stream) {
  if (stream->capture != nullptr) Refuse("memory is given back inside of a Replay");
  qpkv::executor::ReleaseDevice(data);
  return Injected(__func__);
}
// Memory of the host is what nobody has written when a copy to it fails.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (const cudaError_t injected = Injected(__func__)) {
    if (kind == cudaMemcpyDeviceToHost) std::memset(to, 0xcd, bytes);
    return injected;
  }
  if (kind == cudaMemcpyDeviceToDevice)
    return RunOrCapture(stream, [=] { std::memmove(to, from, bytes); });
  if (stream->capture != nullptr) Refuse("a copy from or to the host inside of a Replay");
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int byte, size_t bytes, cudaStream_t stream) {
  QPKV_MAY_FAIL;
  return RunOrCapture(stream, [=] { std::memset(to, byte, bytes); });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  QPKV_MAY_FAIL;
  stream->capture.reset(new ExecutorGraph);
  stream->spoilt = false;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  std::unique_ptr<ExecutorGraph> captured = std::move(stream->capture);
  QPKV_MAY_FAIL;
  if (captured == nullptr || stream->spoilt) return Keep(cudaErrorStreamCaptureInvalidated);
  *graph = captured.release();
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* ready, cudaGraph_t graph, uint64_t) {
  QPKV_MAY_FAIL;
  *ready = new ExecutorGraph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return Injected(__func__);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return Injected(__func__);
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t) {
  QPKV_MAY_FAIL;
  for (const auto& call : graph->calls) call();
  return cudaSuccess;
}

namespace qpkv {
namespace executor {

cudaError_t AllowDynamicShared(const void* kernel, size_t bytes) {
  if (const cudaError_t injected = Injected("cudaFuncSetAttribute")) return injected;
  Failing& f = Fails();
  std::lock_guard<std::mutex> lock(f.mutex);
  f.dynamic_shared[kernel] = bytes;
  return cudaSuccess;
}

void LaunchOn(cudaStream_t stream, const void* kernel, const char* name, Extent grid, Extent block,
              size_t dynamic_shared, int variant, std::function<void()> body) {
  if (Injected("launch") != cudaSuccess) return;
  {
    Failing& f = Fails();
    std::lock_guard<std::mutex> lock(f.mutex);
    if (dynamic_shared > kPlainDynamicShared && dynamic_shared > f.dynamic_shared[kernel]) {
      Keep(cudaErrorInvalidValue);
      return;
    }
  }
  static const uint64_t first = static_cast<uint64_t>(Setting("QPKV_EXECUTOR_SEED", 0));
  const uint64_t seed = first + static_cast<uint64_t>(variant);
  RunOrCapture(stream, [=] { Launch(name, grid, block, dynamic_shared, seed, body); });
}

}  // namespace executor
}  // namespace qpkv
