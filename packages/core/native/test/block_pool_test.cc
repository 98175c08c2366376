// Memory of a cache: slots are recycled by size, counted, and given back without an allocation.
#include "engine/block_pool.h"

#include <cstdlib>
#include <new>

#include "test/harness.h"

namespace {
thread_local bool refuse_memory = false;
}

// Of the whole test program, so that a test can take all memory away.
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return refuse_memory ? nullptr : std::malloc(bytes > 0 ? bytes : 1);
}
void* operator new(size_t bytes) {
  void* data = operator new(bytes, std::nothrow);
  if (data == nullptr) throw std::bad_alloc();
  return data;
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }

namespace qpkv {
namespace {

QPKV_TEST(BlockPoolRecyclesSlots) {
  const auto pool = std::make_shared<BlockPool>(TestDevice());
  pool->Reserve(4096);
  BlockRef first = pool->Take(128), second = pool->Take(192);
  const uint8_t* at = first->data;
  Expect("behind one another", second->data == at + 128);
  Expect("counted", pool->live() == 320 && pool->mapped() == 4096);
  const BlockRef shared = first;
  first.reset();
  Expect("shared by a fork", pool->live() == 320);
  second.reset();
  Expect("given back", pool->live() == 128);
  Expect("another size is another slot", pool->Take(64)->data != at + 128);
  Expect("the same size is the same slot", pool->Take(192)->data == at + 128);
}

QPKV_TEST(BlockPoolTakesSlotsBackWithoutMemory) {
  const auto pool = std::make_shared<BlockPool>(TestDevice());
  std::vector<BlockRef> blocks;
  for (int i = 0; i < 1000; ++i) blocks.push_back(pool->Take(64 * (1 + i % 7)));
  refuse_memory = true;
  for (BlockRef& block : blocks) block.reset();
  bool refused = false;
  try {
    pool->Take(64 * 100);
  } catch (const std::bad_alloc&) {
    refused = true;
  }
  refuse_memory = false;
  Expect("all given back", pool->live() == 0);
  Expect("a slot that could not be made is not counted", refused && pool->Take(64)->bytes == 64);
  Expect("and none is live", pool->live() == 0);
}

}  // namespace
}  // namespace qpkv
