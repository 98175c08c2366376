// Device memory that the host cannot look at: pages that are unreadable unless an op runs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

namespace qpkv {

class Arena {
 public:
  Arena();

  void* Take(size_t bytes);  // null when there is none left
  void Give(void* data);
  // Whether [data, data + bytes) lies within one piece that is taken.
  bool Owns(const void* data, size_t bytes);

  // While any is alive, the pages may be read and written.
  class Open {
   public:
    explicit Open(Arena& arena) : arena_(arena) { arena_.Enter(); }
    ~Open() { arena_.Leave(); }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;

   private:
    Arena& arena_;
  };

 private:
  void Enter();
  void Leave();
  void Protect(int protection);

  std::mutex mutex_;
  uint8_t* base_ = nullptr;
  size_t used_ = 0;                     // pages beyond were never touched
  std::map<size_t, size_t> taken_;      // offset to bytes
  std::multimap<size_t, size_t> free_;  // bytes to offset
  int open_ = 0;
};

}  // namespace qpkv
