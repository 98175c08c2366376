// The JavaScript objects of addon.ts. Each holds a shared pointer to what it stands for: dispose()
// drops it, the finalizer drops what is left, and a worker that is still running keeps its own
// reference. Constructors live in the addon instance, so every worker thread has its own.
#pragma once
#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "binding/runtime.h"
#include "engine/context.h"
#include "engine/opening.h"
#include "engine/prefill.h"

namespace qpkv {

struct Instance {
  Napi::FunctionReference engine, model, prefill, opening, context, layer_cache;
};

// What a JavaScript object stands for, and the runtime that works on it.
template <class T>
struct Held {
  std::shared_ptr<Runtime> runtime;
  std::shared_ptr<T> object;
};

// Makes a JavaScript object around `object`.
template <class T>
Napi::Object MakeObject(Napi::Env env, const Napi::FunctionReference& constructor,
                        std::shared_ptr<Runtime> runtime, std::shared_ptr<T> object) {
  Held<T> held{std::move(runtime), std::move(object)};
  return constructor.New({Napi::External<Held<T>>::New(env, &held)});
}

template <class T>
class Handle {
 public:
  Handle(const Napi::CallbackInfo& info, const char* what) : what_(what) {
    if (info.Length() != 1 || !info[0].IsExternal())
      throw Napi::TypeError::New(info.Env(),
                                 std::string("A ") + what + " cannot be constructed directly.");
    held_ = *info[0].As<Napi::External<Held<T>>>().Data();
  }
  const std::shared_ptr<T>& Get(Napi::Env env) const {
    if (held_.object == nullptr)
      throw MakeError(env, "KV_DISPOSED", std::string("The ") + what_ + " was disposed.");
    return held_.object;
  }
  Runtime& runtime() const { return *held_.runtime; }  // after Get()
  std::shared_ptr<Runtime> shared_runtime() const { return held_.runtime; }
  const std::shared_ptr<T>& get() const { return held_.object; }
  void Drop() {
    held_.object.reset();
    held_.runtime.reset();
  }

 private:
  const char* what_;
  Held<T> held_;
};

// Throws KV_INVALID_OPTION for no ids and for ids outside of the vocabulary.
void CheckIds(Napi::Env env, const std::vector<int32_t>& ids, int vocab);

// What JavaScript objects of these classes stand for.
const Handle<Engine>& EngineOf(const Napi::Value& engine);
const Handle<Context>& ContextOf(const Napi::Value& context);

Napi::Function DefineEngine(Napi::Env env);
Napi::Function DefineModel(Napi::Env env);
Napi::Function DefinePrefill(Napi::Env env);
Napi::Function DefineOpening(Napi::Env env);
Napi::Function DefineContext(Napi::Env env);

}  // namespace qpkv
