// Room on the disk for a file that will be written through a mapping.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <vector>

namespace qpkv {

// Makes the file `bytes` long with room on the disk for all of it; false, with errno, where there
// is none.
inline bool ReserveFile(int file, size_t bytes) {
  const off_t length = static_cast<off_t>(bytes);
#if defined(__APPLE__)
  fstore_t store = {F_ALLOCATEALL, F_PEOFPOSMODE, 0, length, 0};
  return fcntl(file, F_PREALLOCATE, &store) != -1 && ftruncate(file, length) == 0;
#else
  const int failed = posix_fallocate(file, 0, length);
  if (failed == 0) return true;
  errno = failed;
  if (failed != EOPNOTSUPP && failed != EINVAL) return false;
  const std::vector<char> zeros(size_t{1} << 20);  // a file system that only knows writing
  for (size_t at = 0; at < bytes;) {
    const ssize_t done =
        pwrite(file, zeros.data(), std::min(zeros.size(), bytes - at), static_cast<off_t>(at));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += static_cast<size_t>(done);
  }
  return true;
#endif
}

}  // namespace qpkv
