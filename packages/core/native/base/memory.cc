// See memory.h. Blocks of 4 MiB and more are mapped on 2 MiB boundaries with huge-page advice: it saves page walks in reads of the cache.
#include "base/memory.h"

#include <cstdlib>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace qpkv {
namespace {
constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kHugeFrom = size_t{4} << 20;

size_t RoundUp(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }
}  // namespace

void* AllocateAligned(size_t bytes) {
  if (bytes == 0) bytes = 1;
  const size_t alignment = bytes >= kHugeFrom ? kHugePage : kAlignment;
  // Only the alignment is 2 MiB: the size is not rounded up to it, so bytes asked for are bytes mapped (to a page).
  void* data = nullptr;
  if (posix_memalign(&data, alignment, RoundUp(bytes, kAlignment)) != 0) return nullptr;
#if defined(__linux__)
  if (alignment == kHugePage) madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return data;
}

void ReleaseAligned(void* data, size_t) { std::free(data); }

void UploadBytes(Stream&, void* device, const void* host, size_t bytes) { std::memcpy(device, host, bytes); }
void DownloadBytes(Stream&, void* host, const void* device, size_t bytes) { std::memcpy(host, device, bytes); }
void CopyBytes(Stream&, void* to, const void* from, size_t bytes) { std::memmove(to, from, bytes); }
void ZeroBytes(Stream&, void* device, size_t bytes) { std::memset(device, 0, bytes); }

}  // namespace qpkv
