// Shapes are ints and elements are counted in size_t, here and nowhere else in the engine: a
// product of ints would overflow at 2^31 values.
#pragma once
#include <cstddef>

namespace qpkv {

// Values of a tensor with these sizes.
template <class... Sizes>
constexpr size_t Elements(Sizes... sizes) {
  return (static_cast<size_t>(sizes) * ...);
}

// [rows, columns], one row after the other, on the host or on the device.
template <class T>
struct MatrixView {
  T* data = nullptr;
  int columns = 0;

  T* row(int index) const { return data + Elements(index, columns); }
  operator T*() const { return data; }  // as ops take it
};

}  // namespace qpkv
