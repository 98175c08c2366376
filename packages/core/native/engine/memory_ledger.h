// One limit for what the sequences of a model take beside its weights: bytes are granted before
// they are taken, so what runs fits, and the rest waits.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace qpkv {

// What a context may grow by without asking again.
constexpr int kGrowthTokens = 512;

class MemoryLedger {
 public:
  void set_limit(size_t limit) {
    const std::lock_guard<std::mutex> lock(mutex_);
    limit_ = limit;
  }
  size_t limit() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return limit_;
  }
  size_t granted() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return granted_;
  }
  // False: they do not fit now. `scratch` is what steps share and keep: the most that anybody has
  // asked for counts once.
  bool Take(size_t bytes, size_t scratch = 0) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const size_t more = scratch > scratch_ ? scratch - scratch_ : 0;
    if (granted_ > limit_ || bytes + more > limit_ - granted_) return false;
    granted_ += bytes + more;
    scratch_ += more;
    return true;
  }
  void Give(size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    granted_ -= bytes;
  }

  // Holders that go on by themselves: replies and prefills that have begun and not ended. Only
  // where all others are idle, nothing will be given back without somebody's doing.
  std::atomic<int> open{0};

 private:
  mutable std::mutex mutex_;
  size_t limit_ = SIZE_MAX, granted_ = 0, scratch_ = 0;
};

// Granted bytes, given back at the end.
class Grant {
 public:
  Grant() = default;
  explicit Grant(std::shared_ptr<MemoryLedger> ledger) : ledger_(std::move(ledger)) {}
  ~Grant() { Drop(bytes_); }
  Grant(Grant&& other) noexcept : ledger_(other.ledger_), bytes_(other.bytes_) { other.bytes_ = 0; }
  Grant& operator=(Grant&& other) noexcept {
    std::swap(ledger_, other.ledger_), std::swap(bytes_, other.bytes_);
    return *this;
  }

  size_t bytes() const { return bytes_; }
  bool Add(size_t bytes, size_t scratch = 0) {
    if (!ledger_->Take(bytes, scratch)) return false;
    bytes_ += bytes;
    return true;
  }
  void Drop(size_t bytes) {
    bytes = std::min(bytes, bytes_);
    if (bytes > 0) ledger_->Give(bytes);
    bytes_ -= bytes;
  }
  void Join(Grant other) { bytes_ += std::exchange(other.bytes_, 0); }
  // A part of it, at most all.
  Grant Split(size_t bytes) {
    Grant part(ledger_);
    part.bytes_ = std::min(bytes, bytes_);
    bytes_ -= part.bytes_;
    return part;
  }

 private:
  std::shared_ptr<MemoryLedger> ledger_;
  size_t bytes_ = 0;
};

// Counts as open as long as it is held.
class Open {
 public:
  explicit Open(std::shared_ptr<MemoryLedger> ledger) : ledger_(std::move(ledger)) {
    ++ledger_->open;
  }
  ~Open() { --ledger_->open; }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;

 private:
  const std::shared_ptr<MemoryLedger> ledger_;
};

// What a prompt's way through the layers takes, in bytes, and what its contexts take afterwards.
struct ContextMemory {
  size_t cache = 0;       // as compressed
  size_t per_token = 0;   // of later ones, at most; 0: is not counted
  int growth_tokens = 0;  // granted with the cache
};
struct PromptMemory {
  size_t scratch = 0, work = 0;
  std::vector<ContextMemory> contexts;  // [plans], or empty: is not counted
};

}  // namespace qpkv
