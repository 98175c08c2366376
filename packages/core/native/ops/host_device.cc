// See host_device.h.
#include "ops/host_device.h"

#include <cstring>

#include "base/memory.h"

namespace qpkv {

void* AllocateOnHost(Stream&, size_t bytes) { return AllocateAligned(bytes); }
void ReleaseOnHost(Stream&, void* data, size_t bytes) { ReleaseAligned(data, bytes); }

void UploadToHost(Stream&, void* device, Host<const void> host, size_t bytes) {
  std::memcpy(device, host.get(), bytes);
}
void DownloadFromHost(Stream&, Host<void> host, const void* device, size_t bytes) {
  std::memcpy(host.get(), device, bytes);
}
void CopyOnHost(Stream&, void* to, const void* from, size_t bytes) {
  std::memmove(to, from, bytes);
}
void ZeroOnHost(Stream&, void* device, size_t bytes) { std::memset(device, 0, bytes); }

void UploadPiecesToHost(Stream&, const UploadPiecesArgs& args) {
  for (int i = 0; i < args.count; ++i) {
    const UploadPiece& piece = args.pieces.get()[i];
    std::memcpy(piece.to, args.source.get() + piece.offset, piece.bytes);
  }
}

void MoveScoresOnHost(Stream&, const MoveScoresArgs& args) {
  for (int i = 0; i < args.count; ++i) {
    const MoveScoresItem& item = args.items.get()[i];
    for (int head = 0; head < item.heads; ++head) {
      const int32_t* index = item.index.get() + static_cast<size_t>(head) * item.count;
      const float* from = item.from + static_cast<size_t>(head) * item.from_stride;
      float* to = item.to + static_cast<size_t>(head) * item.to_stride;
      for (int t = 0; t < item.count; ++t) to[t] = index[t] < 0 ? 0 : from[index[t]];
    }
  }
}

// Ops have ended when they return, and say themselves that memory is lacking.
StreamStatus CheckOnHost(Stream&) { return {Trouble::kNone, nullptr}; }

void ReplayOnHost(Stream&, uint64_t, Host<void> context, void (*body)(void* context)) {
  body(context.get());
}

}  // namespace qpkv
