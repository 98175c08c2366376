// Memory of one layer's cache. Slabs come from the device; parts of tiles are handed out of them in
// slots of 64 bytes and come back when their last user is gone. The first slab is sized exactly for
// what compression stores; later tokens get smaller ones.
//
// Counters: `live` bytes are handed out now, `mapped` bytes were taken from the device. Nothing of
// a cache lies outside.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/buffer.h"

namespace qpkv {

class BlockPool;

// A handed-out slot; shared by forks. Given back with its last reference.
struct Block {
  Block(std::shared_ptr<BlockPool> owner, uint8_t* start, size_t size)
      : pool(std::move(owner)), data(start), bytes(size) {}
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  const std::shared_ptr<BlockPool> pool;
  uint8_t* const data;
  const size_t bytes;
};
using BlockRef = std::shared_ptr<Block>;

class BlockPool : public std::enable_shared_from_this<BlockPool> {
 public:
  explicit BlockPool(OpenDevice& device) : device_(device) {}

  void Reserve(size_t bytes);   // the next `bytes` bytes lie behind one another
  BlockRef Take(size_t bytes);  // a multiple of 64
  size_t live() const;
  size_t mapped() const;

 private:
  friend struct Block;
  void Give(uint8_t* data, size_t bytes) noexcept;
  void AddSlab(size_t bytes);

  OpenDevice& device_;
  mutable std::mutex mutex_;
  std::vector<Buffer> slabs_;
  uint8_t* next_ = nullptr;  // unused rest of the newest slab
  size_t left_ = 0;
  // Slots of one size. The list has room for every slot that was handed out, so that giving one
  // back cannot fail: that happens in destructors.
  struct Slots {
    std::vector<uint8_t*> free;
    size_t handed_out = 0;
  };
  std::map<size_t, Slots> slots_;  // by exact size: few different sizes come and go
  size_t live_ = 0, mapped_ = 0;
};

}  // namespace qpkv
