// See memory.h.
#include "executor/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "executor/guard.h"

namespace qpkv {
namespace executor {
namespace {
constexpr size_t kAlignment = 64;  // what core's ops are promised
constexpr unsigned char kPoison = 0xff;

// Stands in front of the data, in the same pages.
struct Head {
  size_t bytes;   // of the data
  size_t mapped;  // bytes of the pages, the closed one among them
};

size_t PageBytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}
size_t Up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

std::atomic<size_t> taken{0};

// QPKV_EXECUTOR_MEMORY: how many bytes this device has; read each time, so that a test may take
// memory away while a model runs.
size_t Limit() {
  const char* text = std::getenv("QPKV_EXECUTOR_MEMORY");
  return text == nullptr ? SIZE_MAX : std::strtoull(text, nullptr, 10);
}
}  // namespace

void Refuse(const char* what) {
  std::fprintf(stderr, "executor: %s\n", what);
  std::abort();
}

// [free][head][data][guard: up to kAlignment][a page that nobody may touch]
void* AllocateDevice(size_t bytes) {
  if (bytes > SIZE_MAX / 2 || taken + bytes > Limit()) return nullptr;
  const size_t size = Up(bytes, kAlignment), open = Up(size + sizeof(Head), PageBytes());
  void* pages =
      mmap(nullptr, open + PageBytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return nullptr;
  unsigned char* end = static_cast<unsigned char*>(pages) + open;
  if (mprotect(end, PageBytes(), PROT_NONE) != 0) {
    munmap(pages, open + PageBytes());
    return nullptr;
  }
  taken += bytes;
  unsigned char* data = end - size;
  reinterpret_cast<Head*>(data)[-1] = {bytes, open + PageBytes()};
  std::memset(data, kPoison, bytes);
  SetGuard(data + bytes, size - bytes);
  return data;
}

void ReleaseDevice(void* data) {
  if (data == nullptr) return;
  const auto* at = static_cast<unsigned char*>(data);
  const Head head = static_cast<const Head*>(data)[-1];
  const size_t size = Up(head.bytes, kAlignment);
  for (size_t i = head.bytes; i < size; ++i)
    if (at[i] != GuardByte(i - head.bytes)) Refuse("device memory was written behind its end");
  taken -= head.bytes;
  munmap(const_cast<unsigned char*>(at) + size + PageBytes() - head.mapped, head.mapped);
}

size_t TakenBytes() { return taken; }

}  // namespace executor
}  // namespace qpkv
