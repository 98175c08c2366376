// See stream.h.
#include "runtime/stream.h"

namespace qpkv {
namespace cuda {
namespace {
constexpr size_t kMostKept = 64;  // recordings; a generation rarely needs more than two
}

CudaStream::~CudaStream() {
  kept_.clear();
  for (const Piece& piece : pieces_)
    if (piece.data != nullptr) queue.Release(piece.data);
}

void* CudaStream::Scratch(Slot slot, size_t bytes) {
  void* data = ScratchIfThere(slot, bytes);
  // While a recording is made there is none to be had: it is given up, and the ops run plainly.
  if (data == nullptr && !queue.recording()) queue.NoteNoMemory();
  return data;
}

void* CudaStream::ScratchIfThere(Slot slot, size_t bytes) {
  Piece& piece = pieces_[static_cast<int>(slot)];
  if (bytes <= piece.bytes && piece.data != nullptr) return piece.data;
  ++moves_;
  if (queue.recording()) return nullptr;
  if (piece.data != nullptr) queue.Release(piece.data);
  const size_t size = (bytes + bytes / 4 + 255) / 256 * 256 + 256;
  piece.data = queue.Allocate(size);
  piece.bytes = piece.data == nullptr ? 0 : size;
  return piece.data;
}

StreamStatus CudaStream::Check() {
  bool memory = false;
  const char* error = queue.TakeError(&memory);
  if (error == nullptr) return {Trouble::kNone, nullptr};
  kept_.clear();
  if (memory)
    return {Trouble::kMemory, "there is no device memory left for the scratch space of an op"};
  message_ = error;
  return {Trouble::kDevice, message_.c_str()};
}

// Once plainly, so that scratch has its size; then recorded; from then on what was recorded runs,
// until scratch moves.
void CudaStream::Replay(uint64_t key, void* context, void (*once)(void* context)) {
  if (key == 0) return once(context);
  const auto body = [&](void* of) {
    replaying_ = true;
    once(of);
    replaying_ = false;
  };
  const auto found = kept_.find(key);
  if (found == kept_.end() || found->second.moves != moves_) {
    body(context);
    if (kept_.size() >= kMostKept) kept_.clear();
    kept_[key] = {moves_, nullptr};
    return;
  }
  Kept& kept = found->second;
  if (kept.recording == nullptr) {
    queue.BeginRecording();
    body(context);
    kept.recording = queue.EndRecording();
    if (kept.recording == nullptr || kept.moves != moves_) {
      kept_.erase(key);
      return body(context);
    }
  }
  queue.Run(*kept.recording);
}

}  // namespace cuda
}  // namespace qpkv
