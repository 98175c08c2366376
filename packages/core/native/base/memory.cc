// See memory.h. Blocks of 128 KiB and more are mappings of their own: they go back to the system
// when they are released, and bytes asked for are bytes mapped (to a page). From 4 MiB on they lie
// on 2 MiB boundaries with huge-page advice: it saves page walks in reads of the cache.
#include "base/memory.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define QPKV_MAPS_MEMORY 1
#endif

namespace qpkv {
namespace {
constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kHugeFrom = size_t{4} << 20;
constexpr size_t kMapFrom = size_t{128} << 10;

std::atomic<size_t> held{0}, most_held{0};

size_t RoundUp(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

void* Counted(void* data, size_t bytes) {
  if (data == nullptr) return nullptr;
  const size_t now = held.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  size_t most = most_held.load(std::memory_order_relaxed);
  while (most < now && !most_held.compare_exchange_weak(most, now, std::memory_order_relaxed)) {
  }
  return data;
}

#ifdef QPKV_MAPS_MEMORY
// 4 KiB, on some arm64 systems 16 or 64. An end between pages could not be unmapped.
size_t PageBytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

void* Map(size_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return data == MAP_FAILED ? nullptr : data;
}

// A mapping that starts on a huge page: what lies before and behind in a larger one is given back
// at once.
void* MapHuge(size_t bytes) {
  auto* all = static_cast<uint8_t*>(Map(bytes + kHugePage));
  if (all == nullptr) return nullptr;
  const size_t before =
      RoundUp(reinterpret_cast<uintptr_t>(all), kHugePage) - reinterpret_cast<uintptr_t>(all);
  if (before > 0) munmap(all, before);
  if (before < kHugePage) munmap(all + before + bytes, kHugePage - before);
#if defined(__linux__)
  // Whole huge pages only: advice on the rest would let the system round the size up.
  madvise(all + before, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return all + before;
}
#endif

void* Allocate(size_t bytes) {
#ifdef QPKV_MAPS_MEMORY
  if (bytes >= kHugeFrom) return MapHuge(RoundUp(bytes, PageBytes()));
  if (bytes >= kMapFrom) return Map(RoundUp(bytes, PageBytes()));
#endif
  void* data = nullptr;
  if (posix_memalign(&data, kAlignment, RoundUp(bytes == 0 ? 1 : bytes, kAlignment)) != 0)
    return nullptr;
  return data;
}
}  // namespace

void* AllocateAligned(size_t bytes) { return Counted(Allocate(bytes), bytes); }

void ReleaseAligned(void* data, size_t bytes) {
  if (data == nullptr) return;
  held.fetch_sub(bytes, std::memory_order_relaxed);
#ifdef QPKV_MAPS_MEMORY
  if (bytes >= kMapFrom) {
    munmap(data, RoundUp(bytes, PageBytes()));
    return;
  }
#endif
  std::free(data);
}

HeldMemory MemoryHeld() { return {held.load(), most_held.load()}; }
void ForgetMost() { most_held.store(held.load()); }

}  // namespace qpkv
