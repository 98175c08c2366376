// Which memory a pointer of an op's arguments leads to, told by its type: a raw pointer is device
// memory, Host<T> is host memory. The engine makes the second only where it means it.
#pragma once
#include <cstddef>

namespace qpkv {

// Host memory that an op reads or writes before it returns.
template <class T>
class Host {
 public:
  __attribute__((always_inline)) constexpr Host() : data_(nullptr) {}
  __attribute__((always_inline)) constexpr explicit Host(T* data) : data_(data) {}
  // To const of the same.
  template <class U>
  __attribute__((always_inline)) constexpr Host(const Host<U>& other) : data_(other.get()) {}

  __attribute__((always_inline)) constexpr T* get() const { return data_; }
  __attribute__((always_inline)) constexpr explicit operator bool() const {
    return data_ != nullptr;
  }

 private:
  T* data_;
};

template <class T>
__attribute__((always_inline)) constexpr Host<T> OnHost(T* data) {
  return Host<T>(data);
}

}  // namespace qpkv
