// The thread pool: every unit runs once, scratch belongs to a thread, many short jobs in a row come
// through, and a system that gives no more threads does not stop it.
#include <pthread.h>

#include <atomic>
#include <cstring>
#include <new>

#include "test/harness.h"

namespace qpkv {
namespace {

QPKV_TEST(ParallelFor) {
  for (Stream* stream : Streams())
    for (int units : {0, 1, 2, 3, 100, 5000}) {
      std::vector<std::atomic<int>> runs(units);
      stream->ParallelFor(units, [&](int unit, int thread) {
        runs[unit].fetch_add(1 + (thread < 0 || thread >= stream->threads() ? 100 : 0));
      });
      int wrong = 0;
      for (std::atomic<int>& count : runs) wrong += count.load() != 1;
      Expect(Label("%d units", units), wrong == 0);
    }
}

// Short jobs of growing and shrinking size: a worker that is late for one must not take part in the
// next by mistake.
QPKV_TEST(ParallelForRepeated) {
  for (int threads : {2, 3, 6}) {
    Stream stream(threads);
    std::vector<std::atomic<int>> runs(64);
    int wrong = 0;
    for (int job = 0; job < 30000; ++job) {
      const int units = 1 + (job * 37) % 64;
      for (std::atomic<int>& count : runs) count.store(0, std::memory_order_relaxed);
      stream.ParallelFor(units, [&](int unit, int) { runs[unit].fetch_add(1); });
      for (int unit = 0; unit < 64; ++unit) wrong += runs[unit].load() != (unit < units ? 1 : 0);
    }
    Expect(Label("%d threads", threads), wrong == 0);
  }
}

QPKV_TEST(Scratch) {
  for (Stream* stream : Streams()) {
    std::atomic<int> wrong{0};
    stream->ParallelFor(200, [&](int unit, int thread) {
      const size_t bytes = 100 + unit * 1000;
      unsigned char* data = static_cast<unsigned char*>(stream->Scratch(thread, bytes));
      if (reinterpret_cast<uintptr_t>(data) % 64 != 0) ++wrong;
      std::memset(data, unit, bytes);
      for (size_t i = 0; i < bytes; ++i)
        if (data[i] != static_cast<unsigned char>(unit)) ++wrong;
    });
    Expect("own memory", wrong.load() == 0);
  }
}

// More than any machine has: the op says so, and the next one finds everything in order.
QPKV_TEST(ScratchOutOfMemory) {
  for (Stream* stream : Streams()) {
    for (int bad : {0, 7, 49}) {
      bool told = false;
      try {
        stream->ParallelFor(50, [&](int unit, int thread) {
          stream->Scratch(thread, unit == bad ? size_t{1} << 60 : 64);
        });
      } catch (const std::bad_alloc&) {
        told = true;
      }
      Expect("told", told);
      std::atomic<int> ran{0};
      stream->ParallelFor(50,
                          [&](int, int thread) { ran += stream->Scratch(thread, 64) != nullptr; });
      Expect("and goes on", ran == 50);
    }
  }
}

// The same through a kernel that is compiled without exceptions.
QPKV_TEST(KernelOutOfMemory) {
  int32_t nothing = 0;
  for (const Ops* ops : Tables()) {
    MatmulArgs args{};
    float x = 0;
    args.x = &x;
    args.m = 1 << 30;  // rows to be rounded to bf16 first: scratch for all of them
    args.weight = {&nothing, ExactWeights(Element::kBf16), 64, 1 << 30};
    args.products = Products::kShort;
    bool told = false;
    try {
      ops->Matmul(TestStream(), args);
    } catch (const std::bad_alloc&) {
      told = true;
    }
    Expect(Label("%s matmul", ops->name), told);
  }
}

#ifdef __GLIBC__
// A stack larger than any address space: the system refuses every further thread.
QPKV_TEST(StreamWithoutThreads) {
  pthread_attr_t usual, huge;
  pthread_getattr_default_np(&usual);
  pthread_getattr_default_np(&huge);
  pthread_attr_setstacksize(&huge, size_t{1} << 50);
  Expect("asked for", pthread_setattr_default_np(&huge) == 0);
  {
    Stream stream(4);
    Expect("the calling thread alone", stream.threads() == 1);
    int runs = 0;
    stream.ParallelFor(100, [&](int, int thread) { runs += thread == 0; });
    Expect("every unit runs", runs == 100);
  }
  pthread_setattr_default_np(&usual);
  pthread_attr_destroy(&usual);
  pthread_attr_destroy(&huge);
}
#endif

}  // namespace
}  // namespace qpkv
