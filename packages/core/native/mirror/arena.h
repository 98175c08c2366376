// Device memory that the host cannot look at: at its addresses nothing can be read or written. Its
// bytes lie elsewhere, where only ops of the mirror look for them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

namespace qpkv {

class Arena {
 public:
  Arena();

  void* Take(size_t bytes);  // null when there is none left
  void Give(void* data);
  // Whether [data, data + bytes) lies within one piece that is taken.
  bool Owns(const void* data, size_t bytes);

  // Where the bytes of an address lie.
  template <class T>
  T* Opened(T* data) const {
    return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(data) - closed_ + opened_);
  }

 private:
  std::mutex mutex_;
  uintptr_t closed_, opened_;
  size_t used_ = 0;                     // what lies behind was never taken
  std::map<size_t, size_t> taken_;      // offset to bytes
  std::multimap<size_t, size_t> free_;  // bytes to offset
};

}  // namespace qpkv
