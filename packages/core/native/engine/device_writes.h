// Small pieces of host memory on their way to the device: collected, then uploaded by one op.
#pragma once
#include <cstring>
#include <vector>

#include "engine/engine.h"

namespace qpkv {

class DeviceWrites {
 public:
  // `bytes` is a multiple of 4.
  void Add(void* to, const void* from, size_t bytes) {
    if (bytes == 0) return;
    const size_t offset = bytes_.size();
    bytes_.resize(offset + bytes);
    std::memcpy(bytes_.data() + offset, from, bytes);
    pieces_.push_back({to, static_cast<uint32_t>(offset), static_cast<uint32_t>(bytes)});
  }
  template <class T>
  void Add(T* to, const T& value) {
    Add(to, &value, sizeof(T));
  }

  void Run(Engine& engine) {
    if (!pieces_.empty())
      engine.ops.UploadPieces(engine.stream, {OnHost<const UploadPiece>(pieces_.data()),
                                              static_cast<int>(pieces_.size()),
                                              OnHost<const uint8_t>(bytes_.data()), bytes_.size()});
    pieces_.clear();
    bytes_.clear();
  }

 private:
  std::vector<UploadPiece> pieces_;
  std::vector<uint8_t> bytes_;
};

}  // namespace qpkv
