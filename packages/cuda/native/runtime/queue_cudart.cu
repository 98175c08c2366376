// The queue of a CUDA device. Memory comes from the device's own pool in stream order, which keeps
// what it has; errors are taken from the runtime, so that the next call starts afresh.
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
  if (error_ == cudaSuccess) error_ = error;
}
void Queue::Select() const { cudaSetDevice(device_); }

Queue::Queue(int device, int) : device_(device) {
  Select();
  if (cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking) != cudaSuccess ||
      cudaDeviceGetDefaultMemPool(&pool_, device) != cudaSuccess) {
    cudaGetLastError();
    return;
  }
  uint64_t keep = UINT64_MAX;
  cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep);
  ok_ = true;
}
Queue::~Queue() {
  Select();
  if (stream_ != nullptr) {
    cudaStreamSynchronize(stream_);
    cudaStreamDestroy(stream_);
  }
  if (pool_ != nullptr) cudaMemPoolTrimTo(pool_, 0);
  cudaGetLastError();
}

void* Queue::Allocate(size_t bytes) {
  Select();
  void* data = nullptr;
  if (cudaMallocAsync(&data, bytes == 0 ? 1 : bytes, stream_) == cudaSuccess) return data;
  cudaGetLastError();
  // What the pool keeps of other sizes may be what lacks.
  cudaStreamSynchronize(stream_);
  cudaMemPoolTrimTo(pool_, 0);
  if (cudaMallocAsync(&data, bytes == 0 ? 1 : bytes, stream_) == cudaSuccess) return data;
  cudaGetLastError();
  return nullptr;
}
void Queue::Release(void* data) {
  Select();
  if (cudaFreeAsync(data, stream_) != cudaSuccess) cudaGetLastError();
}

void Queue::CopyIn(void* device, const void* host, size_t bytes) {
  Select();
  // Pageable memory has been read when the call returns.
  Note(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_));
}
void Queue::CopyOut(void* host, const void* device, size_t bytes) {
  Select();
  Note(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_));
  Note(cudaStreamSynchronize(stream_));
}
void Queue::CopyWithin(void* to, const void* from, size_t bytes) {
  Select();
  Note(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_));
}
void Queue::Fill(void* device, int byte, size_t bytes) {
  Select();
  Note(cudaMemsetAsync(device, byte, bytes, stream_));
}

void Queue::BeginRecording() {
  Select();
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
  return ready == nullptr ? nullptr : std::unique_ptr<Recording>(new Graph(ready));
}
void Queue::Run(const Recording& recording) {
  Select();
  Note(cudaGraphLaunch(static_cast<const Graph&>(recording).get(), stream_));
}

const char* Queue::TakeError(bool* memory) {
  Select();
  Note(cudaStreamSynchronize(stream_));
  const cudaError_t error = error_;
  error_ = cudaSuccess;
  *memory = error == cudaErrorMemoryAllocation;
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace cuda
}  // namespace qpkv
