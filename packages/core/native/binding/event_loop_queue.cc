// See event_loop_queue.h.
#include "binding/event_loop_queue.h"

#include <memory>

namespace qpkv {

std::vector<EventLoopQueue::Call> EventLoopQueue::Calls::Take() {
  const std::lock_guard<std::mutex> lock(mutex);
  return std::move(waiting);
}

EventLoopQueue::EventLoopQueue(Napi::Env env) : calls_(std::make_shared<Calls>()) {
  // Its own reference: the function may outlive this object.
  auto* held = new std::shared_ptr<Calls>(calls_);
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, Napi::String::New(env, "qpkv"), 0, 1, held,
      [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Calls>*>(data); }, held,
      &EventLoopQueue::Drain, &function_);
  if (status != napi_ok) {
    delete held;
    throw Napi::Error::New(env);
  }
  Unref(env);
}

void EventLoopQueue::Post(Call call) {
  {
    const std::lock_guard<std::mutex> lock(calls_->mutex);
    calls_->waiting.push_back(std::move(call));
  }
  napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void EventLoopQueue::Close() {
  if (function_ == nullptr) return;
  napi_release_threadsafe_function(function_, napi_tsfn_abort);
  function_ = nullptr;
  calls_->Take();
}

// One call of the function may find the calls of several, and others none.
void EventLoopQueue::Drain(napi_env env, napi_value, void* data, void*) {
  if (env == nullptr) return;
  const std::shared_ptr<Calls> calls = *static_cast<std::shared_ptr<Calls>*>(data);
  for (Call& call : calls->Take()) {
    const Napi::HandleScope scope(env);
    try {
      call(env);
    } catch (const Napi::Error& error) {
      error.ThrowAsJavaScriptException();
    }
    call = nullptr;
  }
}

}  // namespace qpkv
