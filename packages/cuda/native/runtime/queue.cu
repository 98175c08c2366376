// The queue of a CUDA device. Memory comes from the device's own pool in stream order, which keeps
// what it has; errors are taken from the runtime, so that the next call starts afresh.
#include "runtime/devices.h"
#include "runtime/queue.h"

namespace qpkv {
namespace cuda {
namespace {

class Graph : public Recording {
 public:
  explicit Graph(cudaGraphExec_t graph) : graph_(graph) {}
  ~Graph() override { cudaGraphExecDestroy(graph_); }
  cudaGraphExec_t get() const { return graph_; }

 private:
  cudaGraphExec_t graph_;
};

}  // namespace

void Queue::Note(cudaError_t error) {
  if (error == cudaSuccess) return;
  cudaGetLastError();
  cudaError_t none = cudaSuccess;
  error_.compare_exchange_strong(none, error);
}
bool Queue::Begin() {
  Note(cudaSetDevice(device_));
  return error_ == cudaSuccess;
}
void Queue::NoteNoMemory() { Note(cudaErrorMemoryAllocation); }

Queue::Queue(int device, int variant) : device_(device), variant_(variant) {
  int major = 0;
  if (cudaSetDevice(device) != cudaSuccess ||
      cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
      major < kOldestCapability ||
      cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking) != cudaSuccess ||
      cudaDeviceGetDefaultMemPool(&pool_, device) != cudaSuccess) {
    cudaGetLastError();
    return;
  }
  uint64_t keep = UINT64_MAX;
  cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep);
  cudaGetLastError();
  ok_ = true;
}
Queue::~Queue() {
  cudaSetDevice(device_);
  if (stream_ != nullptr) {
    cudaStreamSynchronize(stream_);
    if (pool_ != nullptr) cudaMemPoolTrimTo(pool_, 0);
    cudaStreamDestroy(stream_);
  }
  cudaGetLastError();
}

void* Queue::Allocate(size_t bytes) {
  std::lock_guard<std::mutex> lock(memory_);
  Note(cudaSetDevice(device_));
  void* data = nullptr;
  const size_t some = bytes == 0 ? 1 : bytes;
  if (cudaMallocAsync(&data, some, stream_) == cudaSuccess) return data;
  cudaGetLastError();
  // What the pool keeps of other sizes may be what lacks.
  cudaStreamSynchronize(stream_);
  cudaMemPoolTrimTo(pool_, 0);
  const cudaError_t error = cudaMallocAsync(&data, some, stream_);
  if (error == cudaSuccess) return data;
  // That there is no memory is what null says; anything else is an error of the device.
  if (error == cudaErrorMemoryAllocation)
    cudaGetLastError();
  else
    Note(error);
  return nullptr;
}
void Queue::Release(void* data) {
  std::lock_guard<std::mutex> lock(memory_);
  Note(cudaSetDevice(device_));
  Note(cudaFreeAsync(data, stream_));
}

void Queue::CopyIn(void* device, const void* host, size_t bytes) {
  if (!Begin()) return;
  // Pageable memory has been read when the call returns.
  Note(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_));
}
void Queue::CopyOut(void* host, const void* device, size_t bytes) {
  if (!Begin()) return;
  Note(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_));
  Note(cudaStreamSynchronize(stream_));
}
void Queue::CopyWithin(void* to, const void* from, size_t bytes) {
  if (!Begin()) return;
  Note(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_));
}
void Queue::Fill(void* device, int byte, size_t bytes) {
  if (!Begin()) return;
  Note(cudaMemsetAsync(device, byte, bytes, stream_));
}

void Queue::BeginRecording() {
  memory_.lock();
  recording_ = true;
  Note(cudaSetDevice(device_));
  Note(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
}
std::unique_ptr<Recording> Queue::EndRecording() {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t ready = nullptr;
  if (cudaStreamEndCapture(stream_, &graph) == cudaSuccess && graph != nullptr &&
      cudaGraphInstantiate(&ready, graph, 0) != cudaSuccess)
    ready = nullptr;
  if (graph != nullptr) cudaGraphDestroy(graph);
  cudaGetLastError();
  recording_ = false;
  memory_.unlock();
  return ready == nullptr ? nullptr : std::unique_ptr<Recording>(new Graph(ready));
}
void Queue::Run(const Recording& recording) {
  if (!Begin()) return;
  Note(cudaGraphLaunch(static_cast<const Graph&>(recording).get(), stream_));
}

float Queue::Milliseconds(const std::function<void()>& run, int times) {
  cudaEvent_t begin = nullptr, end = nullptr;
  float ms = -1;
  if (Begin() && cudaEventCreate(&begin) == cudaSuccess && cudaEventCreate(&end) == cudaSuccess) {
    Note(cudaEventRecord(begin, stream_));
    for (int i = 0; i < times; ++i) run();
    Note(cudaEventRecord(end, stream_));
    Note(cudaEventSynchronize(end));
    if (error_ == cudaSuccess) Note(cudaEventElapsedTime(&ms, begin, end));
  }
  for (cudaEvent_t event : {begin, end})
    if (event != nullptr) cudaEventDestroy(event);
  cudaGetLastError();
  return error_ == cudaSuccess && ms >= 0 ? ms / static_cast<float>(times) : -1.0f;
}

const char* Queue::TakeError(bool* memory) {
  Note(cudaSetDevice(device_));
  Note(cudaStreamSynchronize(stream_));
  const cudaError_t error = error_.exchange(cudaSuccess);
  *memory = error == cudaErrorMemoryAllocation;
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace cuda
}  // namespace qpkv
