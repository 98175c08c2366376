// The queue of the host executor: everything runs at once, in the calling thread.
#include "runtime/queue.h"

#include <cstdlib>
#include <cstring>

#include "executor/memory.h"

namespace qpkv {
namespace cuda {

struct Queue::Kept : Recording {
  std::vector<std::function<void()>> calls;
};

namespace {
uint64_t FirstSeed() {
  const char* text = std::getenv("QPKV_EXECUTOR_SEED");
  return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
}
}  // namespace

Queue::Queue(int, int variant)
    : ok_(true), seed_(FirstSeed() + static_cast<uint64_t>(variant)), kept_(new Kept) {}
Queue::~Queue() = default;

void* Queue::Allocate(size_t bytes) { return executor::AllocateDevice(bytes); }
void Queue::Release(void* data) { executor::ReleaseDevice(data); }

void Queue::RunOrRecord(std::function<void()> what) {
  if (recording_ != nullptr)
    recording_->push_back(std::move(what));
  else
    what();
}

void Queue::CopyIn(void* device, const void* host, size_t bytes) {
  if (recording_ != nullptr) executor::Refuse("a copy from the host inside of a Replay");
  std::memcpy(device, host, bytes);
}
void Queue::CopyOut(void* host, const void* device, size_t bytes) {
  if (recording_ != nullptr) executor::Refuse("a copy to the host inside of a Replay");
  std::memcpy(host, device, bytes);
}
void Queue::CopyWithin(void* to, const void* from, size_t bytes) {
  RunOrRecord([=] { std::memmove(to, from, bytes); });
}
void Queue::Fill(void* device, int byte, size_t bytes) {
  RunOrRecord([=] { std::memset(device, byte, bytes); });
}

void Queue::BeginRecording() {
  kept_.reset(new Kept);
  recording_ = &kept_->calls;
}
std::unique_ptr<Recording> Queue::EndRecording() {
  recording_ = nullptr;
  return std::move(kept_);
}
void Queue::Run(const Recording& recording) {
  for (const auto& call : static_cast<const Kept&>(recording).calls) call();
}

const char* Queue::TakeError(bool* memory) {
  *memory = false;
  return nullptr;
}

}  // namespace cuda
}  // namespace qpkv
