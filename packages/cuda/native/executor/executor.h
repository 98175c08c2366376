// The host executor: runs kernels, compiled as C++, on the CPU as a GPU may run them.
//
// Each thread of a block is a fiber that runs until it waits for others. Schedules differ by seed:
// in order, in reverse, as far ahead as barriers allow, at random; blocks follow in as many orders.
// It ends the process with a message where a real device would give wrong results or hang:
//   - threads wait at different barriers, lanes meet in different warp operations, or some never
//   come
//   - shared memory is written behind its end
//   - a thread ends while its asynchronous copies are under way
//   - device memory is read or written behind its end (without a message: memory.h)
// and shows other faults by what they leave: shared memory and new device memory hold NaN, copies
// arrive when they are waited for and no earlier.
//
// One block at a time in a process; Launch holds a mutex.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

namespace qpkv {
namespace executor {

struct Extent {
  unsigned x = 1, y = 1, z = 1;
  Extent(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

extern Extent thread_index, block_index, block_size, grid_size;

// What the lanes of a warp hand in and get back in one operation.
struct WarpSlot {
  static constexpr size_t kBytes = 64;
  const char* kind = nullptr;
  unsigned arrived = 0;
  alignas(16) unsigned char in[32][kBytes];
  alignas(16) unsigned char out[32][kBytes];
  void Copy(int to, int from) { __builtin_memcpy(out[to], in[from], kBytes); }
};

// All lanes of the warp that is running; the last one computes for all.
void Warp(const char* kind, const void* in, size_t in_bytes, void* out, size_t out_bytes,
          void (*compute)(void* context, WarpSlot&), void* context);
template <class Out, class Compute>
void Warp(const char* kind, const void* in, size_t in_bytes, Out* out, const Compute& compute) {
  Compute own = compute;
  Warp(
      kind, in, in_bytes, out, sizeof(Out),
      [](void* context, WarpSlot& slot) { (*static_cast<Compute*>(context))(slot); }, &own);
}

void Barrier(const char* site);
void* Shared(const void* key, size_t bytes);
unsigned char* DynamicShared();

void CopyLater(void* shared, const void* global, size_t bytes);
void CommitCopies();
void WaitCopies(int pending);

// Runs all blocks of a grid. block.x * block.y threads, whole warps or fewer than 32.
void Launch(const char* name, Extent grid, Extent block, size_t dynamic_shared, uint64_t seed,
            const std::function<void()>& body);

// Bytes that kernels of this name have copied from global to shared memory since the last call.
uint64_t TakeCopiedBytes(const char* name);

}  // namespace executor
}  // namespace qpkv
