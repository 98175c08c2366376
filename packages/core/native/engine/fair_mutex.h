// A mutex that is handed on in the order in which it was asked for: whoever works in many short
// turns (a prefill, chunk by chunk) cannot starve the others. Works with std::lock_guard.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace qpkv {

class FairMutex {
 public:
  void lock() {
    std::unique_lock<std::mutex> guard(mutex_);
    const uint64_t mine = next_++;
    changed_.wait(guard, [&] { return served_ == mine; });
  }
  void unlock() {
    {
      std::lock_guard<std::mutex> guard(mutex_);
      ++served_;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t next_ = 0, served_ = 0;
};

}  // namespace qpkv
