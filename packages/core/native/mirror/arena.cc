// See arena.h.
#include "mirror/arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"

namespace qpkv {
namespace {

constexpr size_t kReserved = size_t{16} << 30;  // of addresses; memory comes when it is touched

// A piece and a gap behind it.
size_t RoomFor(size_t bytes) { return (bytes + 63) / 64 * 64 + 64; }

uintptr_t Reserve(int protection) {
  void* all =
      mmap(nullptr, kReserved, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  QPKV_CHECK(all != MAP_FAILED);
  return reinterpret_cast<uintptr_t>(all);
}

}  // namespace

Arena::Arena() : closed_(Reserve(PROT_NONE)), opened_(Reserve(PROT_READ | PROT_WRITE)) {}

void* Arena::Take(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  const size_t size = RoomFor(bytes);
  const auto found = free_.lower_bound(size);
  size_t offset;
  if (found != free_.end() && found->first <= 2 * size) {
    offset = found->second;
    free_.erase(found);
  } else {
    if (used_ + size > kReserved) return nullptr;
    offset = used_;
    used_ += size;
  }
  taken_[offset] = bytes;
  return reinterpret_cast<void*>(closed_ + offset);
}

void Arena::Give(void* data) {
  std::lock_guard<std::mutex> lock(mutex_);
  const size_t offset = reinterpret_cast<uintptr_t>(data) - closed_;
  const auto found = taken_.find(offset);
  QPKV_CHECK(found != taken_.end());
  // What is given back goes to the system, so that a test may look at resident memory.
  static const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t begin = (offset + page - 1) / page * page;
  const size_t end = (offset + found->second) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(opened_ + begin), end - begin, MADV_DONTNEED);
  free_.emplace(RoomFor(found->second), offset);
  taken_.erase(found);
}

bool Arena::Owns(const void* data, size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  const uintptr_t at = reinterpret_cast<uintptr_t>(data);
  if (at < closed_ || at >= closed_ + kReserved) return false;
  auto found = taken_.upper_bound(at - closed_);
  if (found == taken_.begin()) return false;
  --found;
  return at - closed_ + bytes <= found->first + found->second;
}

}  // namespace qpkv
