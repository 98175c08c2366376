// See async.h.
#include "binding/async.h"

namespace qpkv {
namespace {

class PromiseWorker : public Napi::AsyncWorker {
 public:
  PromiseWorker(Napi::Env env, Job job)
      : Napi::AsyncWorker(env, "qpkv"),
        deferred_(Napi::Promise::Deferred::New(env)),
        job_(std::move(job)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      finish_ = job_();
    } catch (const Error& error) {
      code_ = error.code();
      SetError(error.what());
    } catch (const std::bad_alloc&) {
      code_ = "KV_MEMORY";
      SetError("Out of memory.");
    }
  }
  // What the job held is let go here, on the event loop and before the promise settles: an object
  // stays busy exactly as long as its promise is pending.
  void OnOK() override {
    job_ = nullptr;
    try {
      deferred_.Resolve(finish_(Env()));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    } catch (const std::bad_alloc&) {
      deferred_.Reject(MakeError(Env(), "KV_MEMORY", "Out of memory.").Value());
    }
  }
  void OnError(const Napi::Error& error) override {
    job_ = nullptr;
    error.Value().Set("code", code_);
    deferred_.Reject(error.Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  Job job_;
  Finish finish_;
  const char* code_ = "KV_ADDON";
};

}  // namespace

Napi::Error MakeError(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Value().Set("code", code);
  return error;
}

Napi::Value RunAsync(Napi::Env env, Job job) {
  auto* worker = new PromiseWorker(env, std::move(job));  // deletes itself
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace qpkv
