// NativeEngine of addon.ts.
#include "binding/convert.h"
#include "binding/objects.h"
#include "binding/read_model.h"

namespace qpkv {
namespace {

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  Handle<Engine> engine_;

  explicit EngineObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<EngineObject>(info), engine_(info, "engine") {}

  Napi::Value Table(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), engine_.Get(info.Env())->ops.name);
  }
  Napi::Value Threads(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), engine_.Get(info.Env())->device.threads());
  }

  Napi::Value LoadModel(const Napi::CallbackInfo& info) {
    auto description = std::make_shared<ModelDescription>(ReadModel(info[0].As<Napi::Object>()));
    const std::shared_ptr<const PackedLocation> location =
        ReadPackedLocation(info[0].As<Napi::Object>());
    const std::shared_ptr<Engine> engine = engine_.Get(info.Env());
    return engine_.runtime().Run(
        info.Env(), [engine, description, location, runtime = &engine_.runtime()]() -> Finish {
          EngineLock lock(*engine);
          auto model = qpkv::LoadModel(engine, *description, location.get());
          lock.Finish();
          return [model, runtime](Napi::Env env) {
            return MakeObject(env, env.GetInstanceData<Instance>()->model,
                              runtime->shared_from_this(), model);
          };
        });
  }

  void Dispose(const Napi::CallbackInfo&) { engine_.Drop(); }
};

}  // namespace

const Handle<Engine>& EngineOf(const Napi::Value& engine) {
  return EngineObject::Unwrap(engine.As<Napi::Object>())->engine_;
}

Napi::Function DefineEngine(Napi::Env env) {
  return EngineObject::DefineClass(
      env, "NativeEngine",
      {EngineObject::InstanceAccessor<&EngineObject::Table>("table"),
       EngineObject::InstanceAccessor<&EngineObject::Threads>("threads"),
       EngineObject::InstanceMethod<&EngineObject::LoadModel>("loadModel"),
       EngineObject::InstanceMethod<&EngineObject::Dispose>("dispose")});
}

}  // namespace qpkv
