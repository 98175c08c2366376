// Stream: where ops run. On the CPU a persistent pool of threads with scratch memory. One caller at
// a time; ops run in call order and have finished when they return.
//
//   stream.ParallelFor(units, [&](int unit, int thread) { ... });
//
// Units are handed out one by one to whichever thread is free, the calling thread included, so a
// descheduled thread delays at most one unit. What a unit computes must not depend on `thread`;
// results are then the same for every number of threads. Scratch(thread, bytes) belongs to one
// thread, SharedScratch(bytes) to the op; both are 64-byte aligned, keep their contents only during
// the op, grow on first need and never shrink, so a token loop stops allocating after its first
// token.
#pragma once
#include <cstddef>

#include "base/inline.h"

namespace qpkv {

namespace {
template <class F>
void CallUnit(const void* function, int unit, int thread) {
  (*static_cast<const F*>(function))(unit, thread);
}
}  // namespace

class Stream {
 public:
  // Including the calling one; at least 1. Fewer where the system refuses to start them.
  explicit Stream(int threads);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  int threads() const;

  template <class F>
  __attribute__((always_inline)) void ParallelFor(int units, const F& function) {
    Run(units, &CallUnit<F>, &function);
  }

  // Valid until the next call with the same thread. Where there is no memory they throw
  // std::bad_alloc: the unit is given up, and so is the op, when its other units have ended.
  void* Scratch(int thread, size_t bytes);
  void* SharedScratch(size_t bytes);

 private:
  using UnitFunction = void (*)(const void* function, int unit, int thread);
  void Run(int units, UnitFunction call, const void* function);

  struct Pool;
  Pool* pool_;
};

}  // namespace qpkv
