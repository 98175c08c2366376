// See arena.h.
#include "mirror/arena.h"

#include <sys/mman.h>

#include "base/check.h"

namespace qpkv {
namespace {
constexpr size_t kReserved = size_t{16} << 30;  // of addresses; pages come when they are touched
constexpr size_t kStep = size_t{2} << 20;       // protection changes by whole huge pages
constexpr size_t kPage = size_t{4} << 10;
}  // namespace

Arena::Arena() {
  void* all = mmap(nullptr, kReserved + kStep, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  QPKV_CHECK(all != MAP_FAILED);
  const uintptr_t address = (reinterpret_cast<uintptr_t>(all) + kStep - 1) / kStep * kStep;
  base_ = reinterpret_cast<uint8_t*>(address);
#ifdef MADV_HUGEPAGE
  madvise(base_, kReserved, MADV_HUGEPAGE);
#endif
}

void* Arena::Take(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  const size_t size = (bytes + 63) / 64 * 64 + 64;  // a gap behind each piece
  const auto found = free_.lower_bound(size);
  size_t offset;
  if (found != free_.end() && found->first <= 2 * size) {
    offset = found->second;
    free_.erase(found);
  } else {
    if (used_ + size > kReserved) return nullptr;
    offset = used_;
    used_ += size;
    if (open_ > 0) Protect(PROT_READ | PROT_WRITE);
  }
  taken_[offset] = bytes;
  return base_ + offset;
}

void Arena::Give(void* data) {
  std::lock_guard<std::mutex> lock(mutex_);
  const size_t offset = static_cast<size_t>(static_cast<uint8_t*>(data) - base_);
  const auto found = taken_.find(offset);
  QPKV_CHECK(found != taken_.end());
  // What is given back goes to the system, so that a test may look at resident memory.
  const size_t begin = (offset + kPage - 1) / kPage * kPage;
  const size_t end = (offset + found->second) / kPage * kPage;
  if (begin < end) madvise(base_ + begin, end - begin, MADV_DONTNEED);
  free_.emplace((found->second + 63) / 64 * 64 + 64, offset);
  taken_.erase(found);
}

bool Arena::Owns(const void* data, size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto* at = static_cast<const uint8_t*>(data);
  if (at < base_ || at >= base_ + kReserved) return false;
  const size_t offset = static_cast<size_t>(at - base_);
  auto found = taken_.upper_bound(offset);
  if (found == taken_.begin()) return false;
  --found;
  return offset + bytes <= found->first + found->second;
}

void Arena::Enter() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (++open_ == 1) Protect(PROT_READ | PROT_WRITE);
}

void Arena::Leave() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (--open_ == 0) Protect(PROT_NONE);
}

void Arena::Protect(int protection) {
  const size_t bytes = (used_ + kStep - 1) / kStep * kStep;
  if (bytes > 0) QPKV_CHECK(mprotect(base_, bytes, protection) == 0);
}

}  // namespace qpkv
