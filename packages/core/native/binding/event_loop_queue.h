// Calls from other threads to the event loop, in order. They keep the process alive only between
// Ref() and Unref().
#pragma once
#include <napi.h>

#include <functional>
#include <mutex>
#include <vector>

namespace qpkv {

class EventLoopQueue {
 public:
  using Call = std::function<void(Napi::Env)>;

  explicit EventLoopQueue(Napi::Env env);  // on the event loop, as all but Post()
  ~EventLoopQueue() { Close(); }
  EventLoopQueue(const EventLoopQueue&) = delete;
  EventLoopQueue& operator=(const EventLoopQueue&) = delete;

  // Any thread; not after Close(). The call is destroyed on the event loop, run or not.
  void Post(Call call);
  void Ref(Napi::Env env) { napi_ref_threadsafe_function(env, function_); }
  void Unref(Napi::Env env) { napi_unref_threadsafe_function(env, function_); }
  // What has not run is dropped.
  void Close();

 private:
  struct Calls {
    std::mutex mutex;
    std::vector<Call> waiting;
    std::vector<Call> Take();
  };
  static void Drain(napi_env env, napi_value, void* calls, void*);

  std::shared_ptr<Calls> calls_;
  napi_threadsafe_function function_ = nullptr;
};

}  // namespace qpkv
