// A piece of device memory that frees itself, and the engine's set of them that steps share.
#pragma once
#include <array>
#include <cstddef>

#include "engine/error.h"
#include "ops/ops.h"

namespace qpkv {

class Buffer {
 public:
  Buffer() = default;
  Buffer(const Ops& ops, size_t bytes) { Ensure(ops, bytes); }
  ~Buffer() { Free(); }
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    if (this == &other) return *this;
    Free();
    ops_ = other.ops_, data_ = other.data_, bytes_ = other.bytes_;
    other.data_ = nullptr, other.bytes_ = 0;
    return *this;
  }

  // At least `bytes` bytes; contents are lost when it grows.
  void* Ensure(const Ops& ops, size_t bytes) {
    if (bytes <= bytes_) return data_;
    Free();
    data_ = ops.Allocate(bytes);
    if (data_ == nullptr)
      throw Error("KV_MEMORY", "No memory for a buffer of " + std::to_string(bytes) + " bytes.");
    ops_ = &ops, bytes_ = bytes;
    return data_;
  }
  void Free() {
    if (data_ != nullptr) ops_->Release(data_, bytes_);
    data_ = nullptr, bytes_ = 0;
  }

  float* floats() const { return static_cast<float*>(data_); }
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  const Ops* ops_ = nullptr;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Buffers that live between steps and serve whichever step holds the engine.
enum class Slot {
  kHidden,        // [rows, hiddenSize] of an append
  kNorm,          // [rows, hiddenSize]
  kQkv,           // [rows, (queryHeads + 2 kvHeads) * headDim]
  kAttention,     // [rows, queryHeads * headDim]
  kGateUp,        // [rows, 2 * intermediateSize]
  kActivation,    // [rows, intermediateSize]
  kNewKeys,       // [kvHeads, rows, headDim]
  kNewValues,     // [kvHeads, rows, headDim]
  kQueries,       // [queryHeads, rows, headDim]
  kOutputs,       // [queryHeads, rows, headDim]
  kLse,           // [queryHeads, rows]
  kLogits,        // [rows, vocab]
  kMass,          // [storedHeads, tokens]
  kUnpackKeys,    // [storedHeads, tokens, headDim]
  kUnpackValues,  // [storedHeads, tokens, headDim]
  kCount
};

class Workspace {
 public:
  float* Floats(const Ops& ops, Slot slot, size_t count) {
    return static_cast<float*>(
        buffers_[static_cast<size_t>(slot)].Ensure(ops, count * sizeof(float)));
  }

 private:
  std::array<Buffer, static_cast<size_t>(Slot::kCount)> buffers_;
};

}  // namespace qpkv
