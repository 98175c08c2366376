// See model_file.h.
#include "engine/model_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/error.h"

namespace qpkv {

ModelFile::ModelFile(const std::string& path) : path_(path) {
  file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0)
    throw Error("KV_MODEL_FILE", "Cannot open " + path + ": " + std::strerror(errno) + ".");
}

ModelFile::~ModelFile() { close(file_); }

void ModelFile::Read(size_t offset, size_t bytes, uint8_t* out) const {
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got = pread(file_, out + done, bytes - done, static_cast<off_t>(offset + done));
    if (got > 0) {
      done += static_cast<size_t>(got);
    } else if (got == 0) {
      throw Error("KV_MODEL_FILE", path_ + " ends at byte " + std::to_string(offset + done) +
                                       "; a tensor needs bytes " + std::to_string(offset) + " to " +
                                       std::to_string(offset + bytes) +
                                       ". Was it changed while it was read?");
    } else if (errno != EINTR) {
      throw Error("KV_MODEL_FILE", "Cannot read " + path_ + ": " + std::strerror(errno) + ".");
    }
  }
}

}  // namespace qpkv
