// See block_pool.h.
#include "engine/block_pool.h"

#include <algorithm>

namespace qpkv {
namespace {
constexpr size_t kSmallestSlab = size_t{4} << 10;
constexpr size_t kLargestSlab = size_t{1} << 20;
}  // namespace

Block::~Block() { pool->Give(data, bytes); }

void BlockPool::AddSlab(size_t bytes) {
  slabs_.emplace_back(ops_, bytes);
  next_ = static_cast<uint8_t*>(slabs_.back().data());
  left_ = bytes;
  mapped_ += bytes;
}

void BlockPool::Reserve(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (bytes > left_) AddSlab(bytes);
}

BlockRef BlockPool::Take(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  uint8_t* data;
  auto found = free_.find(bytes);
  if (found != free_.end() && !found->second.empty()) {
    data = found->second.back();
    found->second.pop_back();
  } else {
    // An eighth of what is there keeps both the number of slabs and the unused ends small.
    if (bytes > left_) {
      const size_t wanted = std::min(std::max(mapped_ / 8, kSmallestSlab), kLargestSlab);
      AddSlab(std::max(AlignUp(wanted, kSmallestSlab), bytes));
    }
    data = next_;
    next_ += bytes;
    left_ -= bytes;
  }
  BlockRef block = std::make_shared<Block>(shared_from_this(), data, bytes);
  live_ += bytes;  // after all that can fail
  return block;
}

void BlockPool::Give(uint8_t* data, size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  live_ -= bytes;
  free_[bytes].push_back(data);
}

size_t BlockPool::live() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return live_;
}

size_t BlockPool::mapped() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return mapped_;
}

}  // namespace qpkv
