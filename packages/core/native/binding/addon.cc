// The addon's entry: op tables, CPU features, engines. See packages/core/src/native/addon.ts for
// the whole surface.
#include <napi.h>

#include <memory>

#include "binding/convert.h"
#include "binding/cpu_features.h"
#include "binding/objects.h"
#include "ops/ops.h"

namespace qpkv {
namespace {

constexpr int kMostThreads = 1024;

Napi::Value OpTables(const Napi::CallbackInfo& info) {
  int count = 0;
  const Ops* const* tables = AvailableOps(&count);
  Napi::Array names = Napi::Array::New(info.Env(), static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) names.Set(static_cast<uint32_t>(i), tables[i]->name);
  return names;
}

Napi::Value CpuFeatures(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (const std::string& name : FoundCpuFeatures()) names.Set(names.Length(), name);
  return names;
}

Napi::Value CreateEngine(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object options = info[0].As<Napi::Object>();
  int count = 0;
  const Ops* ops = AvailableOps(&count)[0];
  if (Has(options, "table")) {
    const std::string name = TextOf(options, "table");
    ops = FindOps(name.c_str());
    if (ops == nullptr)
      throw MakeError(
          env, "KV_UNSUPPORTED",
          "The op table '" + name + "' is unknown or needs another CPU; see opTables().");
  }
  const int threads = IntOf(options, "threads");
  if (threads < 1 || threads > kMostThreads)
    throw MakeError(env, "KV_INVALID_OPTION",
                    "Expected threads from 1 to " + std::to_string(kMostThreads) +
                        " but received " + std::to_string(threads) + ".");
  return Guarded(env, [&] {
    auto engine = std::make_shared<Engine>(*ops, threads);
    return MakeObject(env, env.GetInstanceData<Instance>()->engine, std::move(engine));
  });
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* instance = new Instance;
  instance->engine = Napi::Persistent(DefineEngine(env));
  instance->model = Napi::Persistent(DefineModel(env));
  instance->prefill = Napi::Persistent(DefinePrefill(env));
  instance->context = Napi::Persistent(DefineContext(env));
  instance->layer_cache = Napi::Persistent(DefineLayerCache(env));
  env.SetInstanceData(instance);  // deleted with the environment
  exports.Set("opTables", Napi::Function::New(env, OpTables));
  exports.Set("cpuFeatures", Napi::Function::New(env, CpuFeatures));
  exports.Set("createEngine", Napi::Function::New(env, CreateEngine));
  return exports;
}

}  // namespace
}  // namespace qpkv

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) {
  return qpkv::Init(env, exports);
}
NODE_API_MODULE(qpkv_core, InitAddon)
