// The thread pool behind Stream: a cursor of (generation, next unit) in one atomic word, bounded
// spinning, then a condition variable.
#include "base/stream.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "base/memory.h"

namespace qpkv {
namespace {

constexpr uint64_t kClosed =
    0x7fffffff;  // as next unit: none is left, whatever the number of units

constexpr int kSpins = 1500;  // about 20 to 50 microseconds of pause instructions

inline void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

struct Buffer {
  void* data = nullptr;
  size_t bytes = 0;

  void* Grow(size_t wanted) {
    if (wanted > bytes) {
      ReleaseAligned(data, bytes);
      const size_t rounded = (wanted + wanted / 4 + 4095) / 4096 * 4096;
      data = AllocateAligned(rounded);
      bytes = data == nullptr ? 0 : rounded;
      if (data == nullptr) throw std::bad_alloc();
    }
    return data;
  }
  ~Buffer() { ReleaseAligned(data, bytes); }
};

struct alignas(64) ThreadBuffer : Buffer {};

}  // namespace

struct Stream::Pool {
  // Written by the caller between jobs, while the cursor is closed. A worker that reads them late,
  // or reads the next job's early, loses the compare-and-swap on `cursor`.
  std::atomic<UnitFunction> call{nullptr};
  std::atomic<const void*> function{nullptr};
  std::atomic<int> units{0};

  alignas(64) std::atomic<uint64_t> cursor{0};  // generation << 32 | next unit
  alignas(64) std::atomic<int> done{0};
  std::atomic<int> sleepers{0};
  std::atomic<bool> caller_sleeps{false};
  std::atomic<bool> stop{false};

  std::mutex mutex;
  std::condition_variable wake_workers, wake_caller;
  std::vector<std::thread> workers;
  std::vector<ThreadBuffer> scratch;
  Buffer shared;
  std::atomic<bool> out_of_memory{false};  // in a unit of this job

  explicit Pool(int threads) : scratch(threads) {}

  // Takes units of generation `generation` until there are none.
  void Work(uint64_t generation, int thread) {
    uint64_t now = cursor.load(std::memory_order_acquire);
    for (;;) {
      if ((now >> 32) != generation) return;
      const UnitFunction f = call.load(std::memory_order_acquire);
      const void* data = function.load(std::memory_order_acquire);
      const int count = units.load(std::memory_order_acquire);
      const int unit = static_cast<int>(now & 0xffffffffu);
      if (unit >= count) return;
      // Success proves that the three values above belong to this generation: the cursor is closed
      // before they change.
      if (!cursor.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire))
        continue;
      try {
        f(data, unit, thread);
      } catch (const std::bad_alloc&) {
        out_of_memory.store(true);
      }
      if (done.fetch_add(1) + 1 == count && caller_sleeps.load()) {
        std::lock_guard<std::mutex> lock(mutex);
        wake_caller.notify_one();
      }
      now = cursor.load(std::memory_order_acquire);
    }
  }

  void Loop(int thread) {
    uint64_t seen = 0;
    for (;;) {
      const auto changed = [&] { return (cursor.load() >> 32) != seen || stop.load(); };
      for (int i = 0; i < kSpins && !changed(); ++i) Pause();
      if (!changed()) {
        std::unique_lock<std::mutex> lock(mutex);
        sleepers.fetch_add(1);
        wake_workers.wait(lock, changed);
        sleepers.fetch_sub(1);
      }
      if (stop.load()) return;
      seen = cursor.load() >> 32;
      Work(seen, thread);
    }
  }
};

Stream::Stream(int threads) : pool_(new Pool(threads < 1 ? 1 : threads)) {
  pool_->workers.reserve(pool_->scratch.size());
  try {
    for (int t = 1; t < threads; ++t)
      pool_->workers.emplace_back([pool = pool_, t] { pool->Loop(t); });
  } catch (const std::system_error&) {
    // The system gives no more threads: those that are there do the work.
  }
}

Stream::~Stream() {
  {
    std::lock_guard<std::mutex> lock(pool_->mutex);
    pool_->stop.store(true);
  }
  pool_->wake_workers.notify_all();
  for (std::thread& worker : pool_->workers) worker.join();
  delete pool_;
}

int Stream::threads() const { return static_cast<int>(pool_->workers.size()) + 1; }

void* Stream::Scratch(int thread, size_t bytes) { return pool_->scratch[thread].Grow(bytes); }

void* Stream::SharedScratch(size_t bytes) { return pool_->shared.Grow(bytes); }

void Stream::Run(int units, UnitFunction call, const void* function) {
  Pool& pool = *pool_;
  if (units <= 0) return;
  if (units == 1 || pool.workers.empty()) {
    for (int unit = 0; unit < units; ++unit) call(function, unit, 0);
    return;
  }
  const uint64_t before = pool.cursor.load() >> 32;
  pool.cursor.store(before << 32 | kClosed);
  pool.call.store(call, std::memory_order_release);
  pool.function.store(function, std::memory_order_release);
  pool.units.store(units, std::memory_order_release);
  pool.done.store(0);
  const uint64_t generation = (before + 1) & 0xffffffffu;
  pool.cursor.store(generation << 32);
  if (pool.sleepers.load() > 0) {
    std::lock_guard<std::mutex> lock(pool.mutex);
    pool.wake_workers.notify_all();
  }
  pool.Work(generation, 0);
  const auto finished = [&] { return pool.done.load() == units; };
  for (int i = 0; i < kSpins && !finished(); ++i) Pause();
  if (!finished()) {
    std::unique_lock<std::mutex> lock(pool.mutex);
    pool.caller_sleeps.store(true);
    pool.wake_caller.wait(lock, finished);
    pool.caller_sleeps.store(false);
  }
  if (pool.out_of_memory.exchange(false)) throw std::bad_alloc();
}

}  // namespace qpkv
