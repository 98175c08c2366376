// The JavaScript objects of addon.ts. Each holds a shared pointer to what it stands for: dispose()
// drops it, the finalizer drops what is left, and a worker that is still running keeps its own
// reference. Constructors live in the addon instance, so every worker thread has its own.
#pragma once
#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "binding/async.h"
#include "engine/context.h"
#include "engine/layer_cache.h"
#include "engine/prefill.h"

namespace qpkv {

struct Instance {
  Napi::FunctionReference engine, model, prefill, context, layer_cache;
};

// Makes a JavaScript object around `held`.
template <class T>
Napi::Object MakeObject(Napi::Env env, const Napi::FunctionReference& constructor,
                        std::shared_ptr<T> held) {
  return constructor.New({Napi::External<std::shared_ptr<T>>::New(env, &held)});
}

template <class T>
class Handle {
 public:
  Handle(const Napi::CallbackInfo& info, const char* what) : what_(what) {
    if (info.Length() != 1 || !info[0].IsExternal())
      throw Napi::TypeError::New(info.Env(),
                                 std::string("A ") + what + " cannot be constructed directly.");
    held_ = *info[0].As<Napi::External<std::shared_ptr<T>>>().Data();
  }
  const std::shared_ptr<T>& Get(Napi::Env env) const {
    if (held_ == nullptr)
      throw MakeError(env, "KV_DISPOSED", std::string("The ") + what_ + " was disposed.");
    return held_;
  }
  const std::shared_ptr<T>& get() const { return held_; }
  void Drop() { held_.reset(); }

 private:
  const char* what_;
  std::shared_ptr<T> held_;
};

// Throws KV_INVALID_OPTION for no ids and for ids outside of the vocabulary.
void CheckIds(Napi::Env env, const std::vector<int32_t>& ids, int vocab);

Napi::Function DefineEngine(Napi::Env env);
Napi::Function DefineModel(Napi::Env env);
Napi::Function DefinePrefill(Napi::Env env);
Napi::Function DefineContext(Napi::Env env);
Napi::Function DefineLayerCache(Napi::Env env);

}  // namespace qpkv
