// What runs behind the JavaScript objects of one engine: its scheduler, and the way back to the
// event loop. Nothing runs in Node's worker pool, and the event loop waits for none of it.
#pragma once
#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <string>

#include "binding/event_loop_queue.h"
#include "engine/jobs.h"
#include "engine/scheduler.h"

namespace qpkv {

// A JavaScript error with a stable `code`.
Napi::Error MakeError(Napi::Env env, const char* code, const std::string& message);

// Runs on the event loop and makes a promise's value.
using Finish = std::function<Napi::Value(Napi::Env)>;

// Lives on the event loop; the last one to let go of it there ends what still runs.
class Runtime : public std::enable_shared_from_this<Runtime> {
 public:
  static std::shared_ptr<Runtime> Open(Napi::Env env, std::shared_ptr<Engine> engine);
  ~Runtime();

  // A promise, settled when the job has ended. What the job holds is let go on the event loop and
  // before the promise settles: an object stays busy exactly as long as its promise is pending.
  Napi::Value Submit(Napi::Env env, std::unique_ptr<Job> job, std::shared_ptr<void> held,
                     Finish finish);
  // A function as a job; it runs on the engine thread and gives back what makes the value.
  Napi::Value Run(Napi::Env env, std::function<Finish()> run, std::shared_ptr<void> held = nullptr);
  // The same in the turn of a prefill.
  Napi::Value Run(Napi::Env env, std::shared_ptr<Prefill> prefill, std::function<Finish()> run,
                  std::shared_ptr<void> held);
  // The same for a saved context on its way back.
  Napi::Value Run(Napi::Env env, std::shared_ptr<Opening> opening, std::function<Finish()> run,
                  std::shared_ptr<void> held);
  // Any thread.
  void Post(EventLoopQueue::Call call) { queue_.Post(std::move(call)); }

  Scheduler& scheduler() { return scheduler_; }

 private:
  Runtime(Napi::Env env, std::shared_ptr<Engine> engine);
  template <class T, class... Of>
  Napi::Value RunAs(Napi::Env env, std::function<Finish()> run, std::shared_ptr<void> held,
                    Of... of);
  void Shut();
  static void ShutWithEnvironment(void* runtime);

  const napi_env env_;
  EventLoopQueue queue_;
  Scheduler scheduler_;
  int pending_ = 0;  // promises
  bool shut_ = false;
};

// Calls a function of the engine on the event loop; its errors become JavaScript errors.
template <class F>
auto Guarded(Napi::Env env, const F& call) -> decltype(call()) {
  try {
    return call();
  } catch (const Error& error) {
    throw MakeError(env, error.code(), error.what());
  } catch (const std::bad_alloc&) {
    throw MakeError(env, "KV_MEMORY", "Out of memory.");
  }
}

// Sets an object's `busy` flag until the returned mark is gone. Throws KV_BUSY when another step
// holds it.
template <class T>
std::shared_ptr<void> MarkBusy(Napi::Env env, const std::shared_ptr<T>& owner, const char* what) {
  if (owner->busy.exchange(true))
    throw MakeError(env, "KV_BUSY", std::string("The ") + what + " is working on something else.");
  return std::shared_ptr<void>(nullptr, [owner](void*) { owner->busy.store(false); });
}

}  // namespace qpkv
