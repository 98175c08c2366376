// A piece of device memory that frees itself, and the engine's set of them that steps share.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/device.h"
#include "engine/error.h"

namespace qpkv {

class Buffer {
 public:
  Buffer() = default;
  Buffer(OpenDevice& device, size_t bytes) { Ensure(device, bytes); }
  ~Buffer() { Free(); }
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    if (this == &other) return *this;
    Free();
    device_ = other.device_, data_ = other.data_, bytes_ = other.bytes_;
    other.data_ = nullptr, other.bytes_ = 0;
    return *this;
  }

  // At least `bytes` bytes; contents are lost when it grows.
  void* Ensure(OpenDevice& device, size_t bytes) {
    if (bytes <= bytes_) return data_;
    Free();
    data_ = device.ops.Allocate(device.stream, bytes);
    if (data_ == nullptr) {
      ThrowIfLost(device.ops.Check(device.stream));
      throw Error("KV_MEMORY", "No memory for a buffer of " + std::to_string(bytes) + " bytes.");
    }
    device_ = &device, bytes_ = bytes;
    return data_;
  }
  void Free() {
    if (data_ != nullptr) device_->ops.Release(device_->stream, data_, bytes_);
    data_ = nullptr, bytes_ = 0;
  }

  float* floats() const { return static_cast<float*>(data_); }
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  OpenDevice* device_ = nullptr;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Buffers that live between steps and serve whichever step holds the engine.
enum class Slot {
  kHidden,        // [rows, hiddenSize] of an append
  kNorm,          // [rows, hiddenSize]
  kBetween,       // [rows, hiddenSize] before a norm or a factor behind a half of a layer
  kRouter,        // [rows, experts]
  kExperts,       // scratch of the experts
  kQkv,           // [rows, (queryHeads + 2 kvHeads) * headDim]
  kAttention,     // [rows, queryHeads * headDim]
  kGateUp,        // [rows, 2 * intermediateSize]
  kActivation,    // [rows, intermediateSize]
  kLse,           // [queryHeads, rows]
  kLogits,        // [rows, vocab]
  kStepState,     // see step_state.h
  kCacheItems,    // see cache_step.h
  kLogitsHidden,  // [rows, hiddenSize] whose logits are wanted
  kUnpacked,      // [tokens, headDim] of parts that are being moved, outside of the layer loop
  kCount
};

class Workspace {
 public:
  void* Bytes(OpenDevice& device, Slot slot, size_t count) {
    Buffer& buffer = buffers_[static_cast<size_t>(slot)];
    if (count <= buffer.bytes()) return buffer.data();
    if (slot != Slot::kUnpacked) ++moves_;
    // What grows with the batch or the text grows seldom.
    return buffer.Ensure(device, std::max(count, buffer.bytes() + buffer.bytes() / 2));
  }
  // How often one has been moved that the layer loop knows.
  uint64_t moves() const { return moves_; }
  float* Floats(OpenDevice& device, Slot slot, size_t count) {
    return static_cast<float*>(Bytes(device, slot, count * sizeof(float)));
  }

 private:
  std::array<Buffer, static_cast<size_t>(Slot::kCount)> buffers_;
  uint64_t moves_ = 0;
};

}  // namespace qpkv
