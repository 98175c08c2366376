// What core's ops call a Stream: a queue, the scratch memory of ops, and what Replay keeps.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "ops/ops.h"
#include "runtime/lt_products.h"
#include "runtime/queue.h"

namespace qpkv {
namespace cuda {

// Pieces of device memory that ops work in; each op uses those that it names.
enum class Slot {
  kItems,
  kIndex,
  kSource,
  kResult,
  kPartial,
  kSums,
  kFlags,
  kWeight,
  kFactor,
  kWorkspace,
  kCount
};

class CudaStream {
 public:
  CudaStream(int device, int variant) : queue(device, variant) {}
  ~CudaStream();

  // At least `bytes` bytes, aligned to 256; contents are lost when it grows. Null where there is no
  // memory: the op gives up, nothing runs any more, and Check says so.
  void* Scratch(Slot slot, size_t bytes);
  // The same for what can be done without: null, and nothing is wrong.
  void* ScratchIfThere(Slot slot, size_t bytes);
  // Host memory in a piece of scratch.
  template <class T>
  T* Send(Slot slot, const T* host, size_t count) {
    void* to = Scratch(slot, count * sizeof(T));
    if (to != nullptr) queue.CopyIn(to, host, count * sizeof(T));
    return static_cast<T*>(to);
  }

  StreamStatus Check();
  void Replay(uint64_t key, void* context, void (*body)(void* context));
  bool replaying() const { return replaying_; }  // the body of a Replay runs, or is recorded

  Queue queue;
  LtProducts products;

 private:
  struct Piece {
    void* data = nullptr;
    size_t bytes = 0;
  };
  struct Kept {
    uint64_t moves;  // of scratch, when it was recorded
    std::unique_ptr<Recording> recording;
  };
  Piece pieces_[static_cast<int>(Slot::kCount)];
  uint64_t moves_ = 0;
  bool replaying_ = false;
  std::string message_;
  std::map<uint64_t, Kept> kept_;
};

inline CudaStream& On(Stream& stream) { return reinterpret_cast<CudaStream&>(stream); }
inline const CudaStream& On(const Stream& stream) {
  return reinterpret_cast<const CudaStream&>(stream);
}

inline unsigned BlocksFor(size_t count, size_t per_block) {
  return static_cast<unsigned>((count + per_block - 1) / per_block);
}

}  // namespace cuda
}  // namespace qpkv
