// See mapped_file.h.
#include "engine/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/error.h"

namespace qpkv {

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    throw Error("KV_MODEL_FILE", "Cannot open " + path + ": " + std::strerror(errno) + ".");
  struct stat status;
  if (fstat(file, &status) != 0 || status.st_size <= 0) {
    close(file);
    throw Error("KV_MODEL_FILE", path + " is empty or cannot be read.");
  }
  size_ = static_cast<size_t>(status.st_size);
  void* data = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (data == MAP_FAILED)
    throw Error("KV_MODEL_FILE", "Cannot map " + path + ": " + std::strerror(errno) + ".");
  base_ = static_cast<uint8_t*>(data);
  end_ = size_;
}

MappedFile::~MappedFile() {
  if (end_ > begin_) munmap(base_ + begin_, end_ - begin_);
}

const uint8_t* MappedFile::At(size_t offset, size_t bytes) const {
  if (bytes > size_ || offset > size_ - bytes)
    throw Error("KV_MODEL_FILE", path_ + " has " + std::to_string(size_) +
                                     " bytes; a tensor needs bytes " + std::to_string(offset) +
                                     " to " + std::to_string(offset + bytes) + ".");
  return base_ + offset;
}

void MappedFile::KeepOnly(size_t offset, size_t bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t begin = bytes == 0 ? size_ : offset / page * page;
  const size_t end = bytes == 0 ? size_ : (offset + bytes + page - 1) / page * page;
  // The ends of the mapping are whole pages too, so neither call touches the kept range.
  if (begin > begin_) munmap(base_ + begin_, begin - begin_);
  if (end < end_) munmap(base_ + end, end_ - end);
  begin_ = begin;
  end_ = end < end_ ? end : end_;
  if (begin_ > end_) begin_ = end_;
}

}  // namespace qpkv
