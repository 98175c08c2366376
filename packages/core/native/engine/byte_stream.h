// Writing values one behind the other, and reading them back from bytes that nobody has checked:
// what is not there throws, it is never read.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/error.h"

namespace qpkv {

class ByteWriter {
 public:
  template <class T>
  void Put(T value) {
    static_assert(std::is_arithmetic_v<T>);
    Append(&value, sizeof(T));
  }
  template <class T>
  void PutList(const std::vector<T>& values) {
    Put(static_cast<uint64_t>(values.size()));
    Append(values.data(), values.size() * sizeof(T));
  }
  void Append(const void* from, size_t count) {
    const size_t end = bytes_.size();
    bytes_.resize(end + count);
    if (count > 0) std::memcpy(bytes_.data() + end, from, count);
  }
  void AlignTo(size_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
  }
  size_t size() const { return bytes_.size(); }
  uint8_t* data() { return bytes_.data(); }
  std::vector<uint8_t> Take() { return std::move(bytes_); }

 private:
  std::vector<uint8_t> bytes_;
};

class ByteReader {
 public:
  ByteReader(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  template <class T>
  T Get() {
    T value;
    std::memcpy(&value, Skip(sizeof(T)), sizeof(T));
    return value;
  }
  template <class T>
  std::vector<T> GetList() {
    const uint64_t count = Get<uint64_t>();
    if (count > left() / sizeof(T)) Refuse("a list is longer than what is there");
    std::vector<T> values(static_cast<size_t>(count));
    if (count > 0)
      std::memcpy(values.data(), Skip(values.size() * sizeof(T)), values.size() * sizeof(T));
    return values;
  }
  const uint8_t* Skip(size_t count) {
    if (count > left()) Refuse("it ends too early");
    const uint8_t* here = data_ + at_;
    at_ += count;
    return here;
  }
  void AlignTo(size_t alignment) { Skip((alignment - at_ % alignment) % alignment); }
  size_t at() const { return at_; }
  size_t left() const { return size_ - at_; }

  [[noreturn]] static void Refuse(const std::string& why) {
    throw Error("KV_DATA",
                "The stored cache cannot be read: " + why + ". Build it again from its text.");
  }

 private:
  const uint8_t* data_;
  size_t size_, at_ = 0;
};

}  // namespace qpkv
