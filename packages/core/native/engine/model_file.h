// A file of a model, read piece by piece. Model files are not mapped: one that is cut short or
// changed meanwhile then ends in an error, not in the end of the process.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace qpkv {

class ModelFile {
 public:
  explicit ModelFile(const std::string& path);  // throws KV_MODEL_FILE
  ~ModelFile();
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;

  // Bytes [offset, offset + bytes) into `out`, from any thread; throws KV_MODEL_FILE when the file
  // is shorter or cannot be read.
  void Read(size_t offset, size_t bytes, uint8_t* out) const;

 private:
  std::string path_;
  int file_ = -1;
};

}  // namespace qpkv
