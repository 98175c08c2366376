// See memory.h.
#include "executor/memory.h"

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "executor/guard.h"

namespace qpkv {
namespace executor {
namespace {
constexpr size_t kHead = 256, kGuardBytes = 256;
constexpr unsigned char kPoison = 0xff;

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

// [head: bytes][data][guard]
void* AllocateDevice(size_t bytes) {
  const size_t all = (kHead + bytes + kGuardBytes + kHead - 1) / kHead * kHead;
  if (all < bytes || taken + bytes > Limit()) return nullptr;
  auto* head = static_cast<unsigned char*>(std::aligned_alloc(kHead, all));
  if (head == nullptr) return nullptr;
  taken += bytes;
  std::memcpy(head, &bytes, sizeof bytes);
  std::memset(head + kHead, kPoison, bytes);
  SetGuard(head + kHead + bytes, kGuardBytes);
  return head + kHead;
}

void ReleaseDevice(void* data) {
  if (data == nullptr) return;
  unsigned char* head = static_cast<unsigned char*>(data) - kHead;
  size_t bytes;
  std::memcpy(&bytes, head, sizeof bytes);
  for (size_t i = 0; i < kGuardBytes; ++i)
    if (head[kHead + bytes + i] != GuardByte(i)) Refuse("device memory was written behind its end");
  taken -= bytes;
  std::free(head);
}

size_t TakenBytes() { return taken; }

}  // namespace executor
}  // namespace qpkv
