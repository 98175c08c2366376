// A long prefill in many short turns starves nobody, and what is published is read without waiting.
#include "engine/fair_mutex.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "test/harness.h"
#include "test/tiny_model.h"

namespace qpkv {
namespace {

using Clock = std::chrono::steady_clock;

double Milliseconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count() * 1e3;
}

QPKV_TEST(FairMutexIsHandedOnInOrder) {
  FairMutex mutex;
  std::vector<int> order;
  mutex.lock();
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([&, i] {
      std::lock_guard<FairMutex> lock(mutex);
      order.push_back(i);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  mutex.unlock();
  for (std::thread& thread : threads) thread.join();
  Expect("first in, first out", order == std::vector<int>({0, 1, 2, 3, 4}));
}

// Whoever asks for the engine during a layer of many chunks waits for one of them, not for all.
QPKV_TEST(PrefillStarvesNobody) {
  TinyShape shape;
  shape.layers = 1;
  const auto model = TinyModel(EngineTables().front(), 1, shape);
  const auto context = PrefillAll(model, TinyPrompt(50, shape.vocab), {FullPlan(*model)})[0];
  Prefill prefill(model, TinyPrompt(40 * kChunkTokens, shape.vocab), {FullPlan(*model)});
  std::atomic<bool> done{false};
  std::thread worker([&] {
    prefill.RunLayer();
    done = true;
  });
  int turns = 0;
  double slowest_facts = 0;
  while (!done) {
    const Clock::time_point asked = Clock::now();
    context->Facts();
    slowest_facts = std::max(slowest_facts, Milliseconds(asked));
    EngineLock lock(*model->engine);
    turns += !done;
  }
  worker.join();
  // An unfair mutex gives one or two in all.
  Expect(Label("%d turns beside 40 chunks", turns), turns >= 20);
  Expect(Label("facts after %.1f ms", slowest_facts), slowest_facts < 1000);
}

}  // namespace
}  // namespace qpkv
