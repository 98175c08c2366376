// The addon's entry: op tables, CPU features, engines. See packages/core/src/native/addon.ts for
// the whole surface.
#include <napi.h>

#include <memory>

#include "base/memory.h"
#include "binding/convert.h"
#include "binding/cpu_features.h"
#include "binding/objects.h"
#include "binding/read_model.h"
#include "engine/backends.h"
#ifdef QPKV_TESTS
#include "probe/probe.h"
#endif

namespace qpkv {
namespace {

constexpr int kMostThreads = 1024;

Napi::Value OpTables(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (const Table& table : AvailableTables()) names.Set(names.Length(), table.ops->name);
  return names;
}

Napi::Value CpuFeatures(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (const std::string& name : FoundCpuFeatures()) names.Set(names.Length(), name);
  return names;
}

Napi::Value ReadBlockValues(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>();
  const Napi::Uint8Array source = info[1].As<Napi::Uint8Array>();
  BlockType type;
  if (!BlockTypeOf(name, &type) || source.ByteLength() % BlockBytes(type) != 0)
    throw MakeError(info.Env(), "KV_INTERNAL",
                    "Expected whole blocks of a known type but received " +
                        std::to_string(source.ByteLength()) + " bytes of " + name + ".");
  const size_t blocks = source.ByteLength() / BlockBytes(type);
  Napi::Float32Array values =
      Napi::Float32Array::New(info.Env(), blocks * static_cast<size_t>(BlockValues(type)));
  ReadBlocks(type, source.Data(), blocks, values.Data());
  return values;
}

Napi::Value CreateEngine(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object options = info[0].As<Napi::Object>();
  const std::string table = Has(options, "table") ? TextOf(options, "table") : "";
  const std::string library = Has(options, "library") ? TextOf(options, "library") : "";
  const int device = Has(options, "device") ? IntOf(options, "device") : 0;
  const int threads = IntOf(options, "threads");
  if (threads < 1 || threads > kMostThreads)
    throw MakeError(env, "KV_INVALID_OPTION",
                    "Expected threads from 1 to " + std::to_string(kMostThreads) +
                        " but received " + std::to_string(threads) + ".");
  return Guarded(env, [&] {
    const Table chosen = !library.empty() ? BestTable(OpenBackend(library), table)
                         : table.empty()  ? AvailableTables().front()
                                          : FindTable(table);
    auto engine = std::make_shared<Engine>(chosen, threads, device);
    return MakeObject(env, env.GetInstanceData<Instance>()->engine, Runtime::Open(env, engine),
                      engine);
  });
}

// What a backend's library offers here; throws KV_UNSUPPORTED where that is nothing.
Napi::Value BackendDevices(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string library = info[0].As<Napi::String>().Utf8Value();
  return Guarded(env, [&] {
    const Backend& backend = OpenBackend(library);
    Napi::Array devices = Napi::Array::New(env);
    for (int i = 0; i < backend.device_count; ++i) {
      Napi::Object device = Napi::Object::New(env);
      device.Set("name", backend.devices[i].name);
      device.Set("memoryBytes", static_cast<double>(backend.devices[i].memory_bytes));
      devices.Set(devices.Length(), device);
    }
    return devices;
  });
}

// What the CPU's tables hold, and the most since the last call that said to forget it.
Napi::Value HostMemory(const Napi::CallbackInfo& info) {
  const HeldMemory held = MemoryHeld();
  if (info[0].IsBoolean() && info[0].As<Napi::Boolean>()) ForgetMost();
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("now", static_cast<double>(held.now));
  out.Set("most", static_cast<double>(held.most));
  return out;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* instance = new Instance;
  instance->engine = Napi::Persistent(DefineEngine(env));
  instance->model = Napi::Persistent(DefineModel(env));
  instance->prefill = Napi::Persistent(DefinePrefill(env));
  instance->opening = Napi::Persistent(DefineOpening(env));
  instance->context = Napi::Persistent(DefineContext(env));
  env.SetInstanceData(instance);  // deleted with the environment
#ifdef QPKV_TESTS
  instance->layer_cache = Napi::Persistent(DefineLayerCache(env));
  exports.Set("probe", DefineProbe(env));
#endif
  exports.Set("opTables", Napi::Function::New(env, OpTables));
  exports.Set("cpuFeatures", Napi::Function::New(env, CpuFeatures));
  exports.Set("backendDevices", Napi::Function::New(env, BackendDevices));
  exports.Set("hostMemory", Napi::Function::New(env, HostMemory));
  exports.Set("readBlocks", Napi::Function::New(env, ReadBlockValues));
  exports.Set("createEngine", Napi::Function::New(env, CreateEngine));
  return exports;
}

}  // namespace
}  // namespace qpkv

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) {
  return qpkv::Init(env, exports);
}
NODE_API_MODULE(qpkv_core, InitAddon)
