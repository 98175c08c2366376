// Work off the event loop: a promise that a worker thread settles.
#pragma once
#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <string>

#include "engine/error.h"

namespace qpkv {

// A JavaScript error with a stable `code`.
Napi::Error MakeError(Napi::Env env, const char* code, const std::string& message);

// Runs in the worker; must not touch JavaScript values. What it returns runs on the event loop and
// makes the promise's value.
using Finish = std::function<Napi::Value(Napi::Env)>;
using Job = std::function<Finish()>;
Napi::Value RunAsync(Napi::Env env, Job job);

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
