// See runtime.h.
#include "binding/runtime.h"

namespace qpkv {
namespace {

Napi::Error ErrorOf(Napi::Env env, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    return MakeError(env, known.code(), known.what());
  } catch (const std::bad_alloc&) {
    return MakeError(env, "KV_MEMORY", "Out of memory.");
  } catch (const std::exception& other) {
    return MakeError(env, "KV_ADDON", other.what());
  }
}

}  // namespace

Napi::Error MakeError(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Value().Set("code", code);
  return error;
}

std::shared_ptr<Runtime> Runtime::Open(Napi::Env env, std::shared_ptr<Engine> engine) {
  return std::shared_ptr<Runtime>(new Runtime(env, std::move(engine)));
}

// The hook comes behind the queue's own, so it runs before: the engine thread must be gone by then.
Runtime::Runtime(Napi::Env env, std::shared_ptr<Engine> engine)
    : env_(env), queue_(env), scheduler_(std::move(engine)) {
  napi_add_env_cleanup_hook(env_, &Runtime::ShutWithEnvironment, this);
}

Runtime::~Runtime() {
  if (shut_) return;
  napi_remove_env_cleanup_hook(env_, &Runtime::ShutWithEnvironment, this);
  Shut();
}

void Runtime::ShutWithEnvironment(void* runtime) {
  // What the queue drops may hold the last reference.
  const std::shared_ptr<Runtime> self = static_cast<Runtime*>(runtime)->shared_from_this();
  self->Shut();
}

void Runtime::Shut() {
  shut_ = true;
  scheduler_.Stop();
  queue_.Close();
}

Napi::Value Runtime::Submit(Napi::Env env, std::unique_ptr<Job> job, std::shared_ptr<void> held,
                            Finish finish) {
  struct Pending {
    std::shared_ptr<Runtime> runtime;  // kept by what it still has to do
    std::shared_ptr<void> held;
  };
  const Napi::Promise::Deferred deferred = Napi::Promise::Deferred::New(env);
  if (shut_) {
    deferred.Reject(MakeError(env, "KV_DISPOSED", "The engine has ended.").Value());
    return deferred.Promise();
  }
  if (pending_++ == 0) queue_.Ref(env);
  job->held = std::make_shared<Pending>(Pending{shared_from_this(), std::move(held)});
  // Runs on the engine thread. Once it has posted, the runtime may be gone from under it.
  job->ended = [this, deferred, finish = std::move(finish)](std::unique_ptr<Job> ended,
                                                            std::exception_ptr error) mutable {
    Post([this, deferred, finish = std::move(finish), error,
          job = std::shared_ptr<Job>(std::move(ended))](Napi::Env loop) mutable {
      if (--pending_ == 0) queue_.Unref(loop);
      Napi::Value value;
      try {
        if (error != nullptr) throw ErrorOf(loop, error);
        value = finish(loop);
      } catch (const Napi::Error& thrown) {
        job.reset();
        deferred.Reject(thrown.Value());
        return;
      } catch (const std::bad_alloc&) {
        job.reset();
        deferred.Reject(MakeError(loop, "KV_MEMORY", "Out of memory.").Value());
        return;
      }
      job.reset();
      deferred.Resolve(value);
    });
  };
  scheduler_.Submit(std::move(job));
  return deferred.Promise();
}

// Submits a job of type T that runs the function.
template <class T, class... Of>
Napi::Value Runtime::RunAs(Napi::Env env, std::function<Finish()> run, std::shared_ptr<void> held,
                           Of... of) {
  auto finish = std::make_shared<Finish>();
  auto job =
      std::make_unique<T>(std::move(of)..., [run = std::move(run), finish] { *finish = run(); });
  return Submit(env, std::move(job), std::move(held),
                [finish](Napi::Env loop) { return (*finish)(loop); });
}

Napi::Value Runtime::Run(Napi::Env env, std::function<Finish()> run, std::shared_ptr<void> held) {
  return RunAs<TaskJob>(env, std::move(run), std::move(held));
}

Napi::Value Runtime::Run(Napi::Env env, std::shared_ptr<Prefill> prefill,
                         std::function<Finish()> run, std::shared_ptr<void> held) {
  return RunAs<PrefillTask>(env, std::move(run), std::move(held), std::move(prefill));
}

Napi::Value Runtime::Run(Napi::Env env, std::shared_ptr<Opening> opening,
                         std::function<Finish()> run, std::shared_ptr<void> held) {
  return RunAs<OpeningTask>(env, std::move(run), std::move(held), std::move(opening));
}

}  // namespace qpkv
