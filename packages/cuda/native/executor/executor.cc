// See executor.h.
#include "executor/executor.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "executor/fiber.h"
#include "executor/guard.h"

#if defined(__x86_64__)
asm(R"(
.text
.globl qpkv_switch_stack
.hidden qpkv_switch_stack
.type qpkv_switch_stack,@function
qpkv_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size qpkv_switch_stack, .-qpkv_switch_stack
)");
#elif defined(__aarch64__)
asm(R"(
.text
.globl qpkv_switch_stack
.hidden qpkv_switch_stack
.type qpkv_switch_stack,%function
qpkv_switch_stack:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x2, sp
  str x2, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size qpkv_switch_stack, .-qpkv_switch_stack
)");
#endif

namespace qpkv {
namespace executor {

Extent thread_index, block_index, block_size, grid_size;

namespace {

constexpr size_t kStackBytes = 64 << 10;
constexpr size_t kSharedBytes = 227 << 10;  // of one block of sm_90
constexpr size_t kStaticSharedBytes = 48 << 10;
constexpr size_t kGuardBytes = 64;
constexpr unsigned kMostThreads = 1024;
constexpr unsigned char kPoison = 0xff;

enum class State : uint8_t { kReady, kAtBarrier, kInWarp, kDone };

struct PendingCopy {
  void* to;
  const void* from;
  size_t bytes;
};
struct Fiber {
  void* stack;  // pointer into it while it does not run
  State state;
  const char* site;
  std::vector<PendingCopy> open;                 // not yet committed
  std::vector<std::vector<PendingCopy>> groups;  // committed, oldest first
};

struct SharedPiece {
  const void* key;
  size_t offset, bytes;
};

// Everything of the block that runs.
struct Block {
  std::mutex mutex;  // of Launch
  const char* name = "";
  const std::function<void()>* body = nullptr;
  unsigned count = 0, at_barrier = 0, done = 0, now = 0;
  std::vector<Fiber> fibers;
  std::vector<WarpSlot> warps;
  std::vector<unsigned> order;
  unsigned char* stacks = nullptr;
  void* scheduler = nullptr;
  std::vector<unsigned char> shared;
  std::vector<SharedPiece> pieces;
  size_t shared_used = 0, dynamic_bytes = 0;
  uint64_t random = 1;
  std::map<std::string, uint64_t> copied;
  uint64_t* copied_bytes = nullptr;
};
Block& The() {
  static Block block;
  return block;
}

[[noreturn]] void Fail(const char* what, const char* detail = "") {
  std::fprintf(stderr, "executor: %s: %s%s (block %u,%u,%u thread %u)\n", The().name, what, detail,
               block_index.x, block_index.y, block_index.z, The().now);
  std::abort();
}

uint64_t NextRandom() {
  uint64_t& s = The().random;
  s ^= s >> 12;
  s ^= s << 25;
  s ^= s >> 27;
  return s * 0x2545f4914f6cdd1du >> 24;
}

void ReturnToScheduler() {
  Block& b = The();
  qpkv_switch_stack(&b.fibers[b.now].stack, b.scheduler);
}

void OpenBarrierIfAll() {
  Block& b = The();
  if (b.at_barrier == 0 || b.at_barrier + b.done != b.count) return;
  const char* site = nullptr;
  for (unsigned i = 0; i < b.count; ++i) {
    Fiber& f = b.fibers[i];
    if (f.state != State::kAtBarrier) continue;
    if (site != nullptr && std::strcmp(site, f.site) != 0)
      Fail("threads meet at different barriers: ", (std::string(site) + " and " + f.site).c_str());
    site = f.site;
    f.state = State::kReady;
  }
  b.at_barrier = 0;
}

void Entry() {
  Block& b = The();
  (*b.body)();
  Fiber& f = b.fibers[b.now];
  if (!f.open.empty() || !f.groups.empty()) Fail("a thread ends with copies under way");
  f.state = State::kDone;
  ++b.done;
  OpenBarrierIfAll();
  ReturnToScheduler();
  std::abort();
}

void Run(unsigned i) {
  Block& b = The();
  b.now = i;
  thread_index = Extent(i % block_size.x, i / block_size.x, 0);
  qpkv_switch_stack(&b.scheduler, b.fibers[i].stack);
}

// Whether the fiber that comes next in the order runs until nothing else can.
void RunFibers(bool eager, bool shuffle) {
  Block& b = The();
  while (b.done < b.count) {
    bool ran = false;
    if (shuffle)
      for (unsigned i = b.count; i > 1; --i) std::swap(b.order[i - 1], b.order[NextRandom() % i]);
    for (unsigned at = 0; at < b.count; ++at) {
      const unsigned i = b.order[at];
      if (b.fibers[i].state != State::kReady) continue;
      Run(i);
      ran = true;
      if (eager && b.fibers[i].state != State::kDone) {
        // Those of its warp first, so that it gets on.
        const unsigned first = i / 32 * 32, end = std::min(first + 32, b.count);
        for (unsigned lane = first; lane < end; ++lane)
          if (b.fibers[lane].state == State::kReady) Run(lane);
        if (b.fibers[i].state == State::kReady) --at;
      }
    }
    if (!ran) Fail("no thread can go on: some wait for others that have ended or wait elsewhere");
  }
}

void CheckGuards() {
  Block& b = The();
  for (const SharedPiece& piece : b.pieces)
    for (size_t i = 0; i < kGuardBytes; ++i)
      if (b.shared[piece.offset + piece.bytes + i] != GuardByte(i))
        Fail("shared memory is written behind its end");
}

void AddPiece(const void* key, size_t bytes) {
  Block& b = The();
  const size_t offset = b.shared_used, size = (bytes + 15) / 16 * 16;
  b.pieces.push_back({key, offset, bytes});
  b.shared_used += size + kGuardBytes;
  if (b.shared_used > b.shared.size()) Fail("no room for shared memory");
  std::memset(b.shared.data() + offset, kPoison, bytes);
  SetGuard(b.shared.data() + offset + bytes, size - bytes + kGuardBytes);
}

void RunBlock(uint64_t seed) {
  Block& b = The();
  b.at_barrier = b.done = 0;
  b.pieces.clear();
  b.shared_used = 0;
  if (b.dynamic_bytes > 0) AddPiece(&b, b.dynamic_bytes);
  for (unsigned i = 0; i < b.count; ++i) {
    Fiber& f = b.fibers[i];
    f.stack = NewStack(b.stacks + (i + 1) * kStackBytes - 64, &Entry);
    f.state = State::kReady;
    b.order[i] = seed % 4 == 1 ? b.count - 1 - i : i;
  }
  for (WarpSlot& warp : b.warps) warp.arrived = 0;
  RunFibers(seed % 4 == 2, seed % 4 == 3);
  CheckGuards();
}

}  // namespace

void Warp(const char* kind, const void* in, size_t in_bytes, void* out, size_t out_bytes,
          void (*compute)(void* context, WarpSlot&), void* context) {
  Block& b = The();
  const unsigned first = b.now / 32 * 32, lane = b.now % 32;
  if (first + 32 > b.count) Fail("a warp operation in a warp that is not whole");
  WarpSlot& slot = b.warps[b.now / 32];
  if (slot.arrived == 0)
    slot.kind = kind;
  else if (std::strcmp(slot.kind, kind) != 0)
    Fail("lanes of a warp meet in different operations: ", kind);
  std::memcpy(slot.in[lane], in, in_bytes);
  slot.arrived |= 1u << lane;
  if (slot.arrived == 0xffffffffu) {
    compute(context, slot);
    for (unsigned l = 0; l < 32; ++l)
      if (l != lane) b.fibers[first + l].state = State::kReady;
    slot.arrived = 0;
  } else {
    b.fibers[b.now].state = State::kInWarp;
    ReturnToScheduler();
  }
  std::memcpy(out, slot.out[lane], out_bytes);
}

void Barrier(const char* site) {
  Block& b = The();
  Fiber& f = b.fibers[b.now];
  f.state = State::kAtBarrier;
  f.site = site;
  ++b.at_barrier;
  OpenBarrierIfAll();
  if (f.state == State::kAtBarrier) ReturnToScheduler();
}

void* Shared(const void* key, size_t bytes) {
  Block& b = The();
  size_t in_all = 0;
  for (const SharedPiece& piece : b.pieces) {
    if (piece.key == key) return b.shared.data() + piece.offset;
    if (piece.key != &b) in_all += piece.bytes;
  }
  if (in_all + bytes > kStaticSharedBytes) Fail("more than 48 KiB of static shared memory");
  AddPiece(key, bytes);
  return b.shared.data() + b.pieces.back().offset;
}

unsigned char* DynamicShared() {
  if (The().dynamic_bytes == 0) Fail("it was launched without dynamic shared memory");
  return The().shared.data();
}

void CopyLater(void* shared, const void* global, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(shared) % bytes != 0 ||
      reinterpret_cast<uintptr_t>(global) % bytes != 0)
    Fail("an asynchronous copy that is not aligned");
  The().fibers[The().now].open.push_back({shared, global, bytes});
  *The().copied_bytes += bytes;
}
void CommitCopies() {
  Fiber& f = The().fibers[The().now];
  f.groups.push_back(std::move(f.open));
  f.open.clear();
}
void WaitCopies(int pending) {
  Fiber& f = The().fibers[The().now];
  while (static_cast<int>(f.groups.size()) > pending) {
    for (const PendingCopy& copy : f.groups.front()) std::memcpy(copy.to, copy.from, copy.bytes);
    f.groups.erase(f.groups.begin());
  }
}

void Launch(const char* name, Extent grid, Extent block, size_t dynamic_shared, uint64_t seed,
            const std::function<void()>& body) {
  Block& b = The();
  std::lock_guard<std::mutex> lock(b.mutex);
  b.name = name;
  b.body = &body;
  b.count = block.x * block.y;
  if (b.count == 0 || b.count > kMostThreads || block.z != 1) Fail("a block of no such size");
  if (grid.y > 65535 || grid.z > 65535) Fail("a grid with more than 65535 blocks along y or z");
  if (dynamic_shared > kSharedBytes) Fail("more shared memory than a block may have");
  if (b.stacks == nullptr) {
    void* all = mmap(nullptr, kMostThreads * kStackBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) Fail("no memory for stacks");
    b.stacks = static_cast<unsigned char*>(all);
    b.fibers.resize(kMostThreads);
    b.shared.resize(kSharedBytes + kStaticSharedBytes + 64 * kGuardBytes);
  }
  b.warps.resize((b.count + 31) / 32);
  b.order.resize(b.count);
  b.dynamic_bytes = dynamic_shared;
  b.random = seed * 2 + 1;
  b.copied_bytes = &b.copied[name];
  block_size = block;
  grid_size = grid;
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  for (uint64_t i = 0; i < blocks; ++i) {
    const uint64_t at = seed % 2 == 1 ? blocks - 1 - i : i;
    block_index =
        Extent(static_cast<unsigned>(at % grid.x), static_cast<unsigned>(at / grid.x % grid.y),
               static_cast<unsigned>(at / grid.x / grid.y));
    RunBlock(seed);
  }
}

uint64_t TakeCopiedBytes(const char* name) {
  Block& b = The();
  std::lock_guard<std::mutex> lock(b.mutex);
  return std::exchange(b.copied[name], 0);
}

}  // namespace executor
}  // namespace qpkv

// The same for programs that open the library (bench/device_bench.cc).
extern "C" __attribute__((visibility("default"))) uint64_t qpkv_executor_copied(const char* name) {
  return qpkv::executor::TakeCopiedBytes(name);
}
