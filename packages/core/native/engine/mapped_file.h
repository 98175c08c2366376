// A file mapped for reading.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace qpkv {

class MappedFile {
 public:
  explicit MappedFile(const std::string& path);  // throws KV_MODEL_FILE
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Bytes [offset, offset + bytes); throws KV_MODEL_FILE when the file is shorter.
  const uint8_t* At(size_t offset, size_t bytes) const;

  // Unmaps everything but the pages of [offset, offset + bytes): everything when bytes is 0.
  void KeepOnly(size_t offset, size_t bytes);

 private:
  std::string path_;
  uint8_t* base_ = nullptr;     // of the whole file
  size_t size_ = 0;             // of the file
  size_t begin_ = 0, end_ = 0;  // still mapped
};

}  // namespace qpkv
