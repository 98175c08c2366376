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
  slabs_.emplace_back(device_, bytes);
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
  Slots& slots = slots_[bytes];
  const size_t known = slots.free.size() + slots.handed_out + 1;
  if (slots.free.capacity() < known) slots.free.reserve(2 * known);
  const bool again = !slots.free.empty();
  if (again) {
    data = slots.free.back();
  } else {
    // An eighth of what is there keeps both the number of slabs and the unused ends small.
    if (bytes > left_) {
      const size_t wanted = std::min(std::max(mapped_ / 8, kSmallestSlab), kLargestSlab);
      AddSlab(std::max(AlignUp(wanted, kSmallestSlab), bytes));
    }
    data = next_;
  }
  BlockRef block = std::make_shared<Block>(shared_from_this(), data, bytes);
  // After all that can fail.
  if (again) {
    slots.free.pop_back();
  } else {
    next_ += bytes;
    left_ -= bytes;
  }
  ++slots.handed_out;
  live_ += bytes;
  return block;
}

void BlockPool::Give(uint8_t* data, size_t bytes) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  live_ -= bytes;
  Slots& slots = slots_.find(bytes)->second;
  --slots.handed_out;
  slots.free.push_back(data);
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
