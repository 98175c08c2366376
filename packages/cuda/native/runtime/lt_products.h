// What a stream keeps of cuBLASLt: its handle and how each shape is multiplied; and what is known
// of which shapes it multiplies faster than this library's own kernels.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <tuple>

#include "runtime/cublas_lt.h"

namespace qpkv {
namespace cuda {

// out [m, n] = x [m, k] w [n, k]^T, or added to out; factors bf16, sums float32, rows of the
// factors `pitch` values apart.
class LtProduct {
 public:
  // Null where the library knows no way. `alignment`: of out, in bytes.
  static std::unique_ptr<LtProduct> Plan(const CublasLt& lt, void* handle, int m, int n, int pitch,
                                         uint32_t alignment);
  ~LtProduct();
  LtProduct(const LtProduct&) = delete;
  LtProduct& operator=(const LtProduct&) = delete;

  // False where the library refuses: nothing was queued.
  bool Run(const void* weight, const void* x, float* out, bool accumulate, void* workspace,
           void* stream) const;
  size_t workspace_bytes() const { return found_.workspace_bytes; }

 private:
  explicit LtProduct(const CublasLt& lt, void* handle) : lt_(lt), handle_(handle) {}

  const CublasLt& lt_;
  void* handle_;
  void *product_ = nullptr, *weight_ = nullptr, *x_ = nullptr, *out_ = nullptr;
  LtFound found_{};
};

// Of products of about as many rows with weights of one size on one device. The process decides,
// not a stream: two models must not come to different bits.
enum class Faster : uint8_t { kUnknown, kOwn, kLibrary };
std::atomic<Faster>& FasterFor(int device, int m, int n, int k);

class LtProducts {
 public:
  LtProducts() = default;
  ~LtProducts();
  LtProducts(const LtProducts&) = delete;
  LtProducts& operator=(const LtProducts&) = delete;

  // Null where the library knows no way or cannot be used.
  const LtProduct* Find(int m, int n, int pitch, uint32_t alignment);

 private:
  void* handle_ = nullptr;
  bool tried_ = false;
  std::map<std::tuple<int, int, int, uint32_t>, std::unique_ptr<LtProduct>> plans_;
};

}  // namespace cuda
}  // namespace qpkv
