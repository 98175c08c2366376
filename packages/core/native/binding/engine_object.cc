// NativeEngine of addon.ts.
#include "binding/convert.h"
#include "binding/objects.h"
#include "binding/read_model.h"
#include "binding/read_plan.h"
#include "engine/observer.h"

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

  // ObservedMemory of each layer; looks at no buffer and waits for nothing.
  Napi::Value ObservedMemory(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Napi::Object from = info[0].As<Napi::Object>();
    const std::shared_ptr<Engine> engine = engine_.Get(env);
    LayerShape shape;
    shape.query_heads = IntOf(from, "queryHeads");
    shape.kv_heads = IntOf(from, "kvHeads");
    shape.head_dim = IntOf(from, "headDim");
    const int tokens = IntOf(from, "tokens");
    std::vector<CompressionPlan> plans;
    const Napi::Array given = from.Get("plans").As<Napi::Array>();
    for (uint32_t i = 0; i < given.Length(); ++i)
      plans.push_back(ReadPlan(given.Get(i).As<Napi::Object>(), engine->statistics));
    return Guarded(env, [&] {
      Napi::Array out = Napi::Array::New(env);
      for (size_t l = 0; !plans.empty() && l < plans.front().layers.size(); ++l) {
        const Observation observed =
            ObservationOf(engine, plans, static_cast<int>(l), shape, tokens);
        Napi::Object layer = Napi::Object::New(env);
        layer.Set("bytes", static_cast<double>(observed.bytes));
        layer.Set("queries", (observed.reads & kReadQueries) != 0);
        layer.Set("queriesBefore", (observed.reads & kReadQueriesBefore) != 0);
        layer.Set("keysBefore", (observed.reads & kReadKeysBefore) != 0);
        out.Set(out.Length(), layer);
      }
      return out;
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
       EngineObject::InstanceMethod<&EngineObject::ObservedMemory>("observedMemory"),
       EngineObject::InstanceMethod<&EngineObject::Dispose>("dispose")});
}

}  // namespace qpkv
