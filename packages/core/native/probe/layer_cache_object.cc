// NativeLayerCache of probe.ts.
#include "binding/convert.h"
#include "binding/objects.h"
#include "probe/export_object.h"
#include "probe/layer_cache.h"
#include "probe/probe.h"

namespace qpkv {
namespace {

class LayerCacheObject : public Napi::ObjectWrap<LayerCacheObject> {
 public:
  explicit LayerCacheObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<LayerCacheObject>(info), cache_(info, "layer cache") {}

  Napi::Value Scores(const Napi::CallbackInfo& info) {
    return FloatArray(info.Env(), Held(info)->selection().scores);
  }
  Napi::Value Kept(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    const KvLayer& layer = Held(info)->layer();
    std::vector<std::vector<int32_t>> kept;
    for (int head = 0; head < layer.shape().stored_heads(); ++head)
      kept.push_back(layer.KeptPositions(head));
    return KeptArrays(info.Env(), kept);
  }

  Napi::Value Bytes(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    return BytesObject(info.Env(), Held(info)->layer().Bytes());
  }

  Napi::Value Append(const Napi::CallbackInfo& info) {
    std::vector<float> k = Floats(info[0]), v = Floats(info[1]);
    const int count = info[2].As<Napi::Number>().Int32Value();
    const LayerShape& shape = Held(info)->layer().shape();
    const size_t size = static_cast<size_t>(shape.kv_heads) * count * shape.head_dim;
    if (count < 1 || k.size() != size || v.size() != size)
      throw MakeError(info.Env(), "KV_INVALID_OPTION",
                      "k or v has another length than [kvHeads, count, headDim].");
    return cache_.runtime().Run(
        info.Env(),
        [cache = Held(info), k = std::move(k), v = std::move(v), count]() -> Finish {
          cache->Append(k, v, count);
          return [](Napi::Env env) { return env.Undefined(); };
        },
        Mark(info));
  }

  Napi::Value Attend(const Napi::CallbackInfo& info) {
    std::vector<float> q = Floats(info[0]);
    const LayerShape& shape = Held(info)->layer().shape();
    if (q.size() != static_cast<size_t>(shape.query_heads) * shape.head_dim)
      throw MakeError(info.Env(), "KV_INVALID_OPTION",
                      "q has another length than [queryHeads, headDim].");
    return cache_.runtime().Run(
        info.Env(),
        [cache = Held(info), q = std::move(q)]() -> Finish {
          std::vector<float> out = cache->Attend(q);
          return [out = std::move(out)](Napi::Env env) { return FloatArray(env, out); };
        },
        Mark(info));
  }

  Napi::Value Export(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    LayerCache& cache = *Held(info);
    const int head = info[0].As<Napi::Number>().Int32Value();
    if (head < 0 || head >= cache.layer().shape().stored_heads())
      throw MakeError(info.Env(), "KV_INVALID_OPTION", "There is no such stored head.");
    EngineLock lock(cache.engine());
    return Guarded(info.Env(), [&] { return ExportObject(info.Env(), cache.layer(), head); });
  }

  void Scramble(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    EngineLock lock(Held(info)->engine());
    Held(info)->layer().Scramble(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
  }

  void Dispose(const Napi::CallbackInfo&) { cache_.Drop(); }

 private:
  const std::shared_ptr<LayerCache>& Held(const Napi::CallbackInfo& info) {
    return cache_.Get(info.Env());
  }
  std::shared_ptr<void> Mark(const Napi::CallbackInfo& info) {
    return MarkBusy(info.Env(), Held(info), "layer cache");
  }

  Handle<LayerCache> cache_;
};

}  // namespace

Napi::Function DefineLayerCache(Napi::Env env) {
  return LayerCacheObject::DefineClass(
      env, "NativeLayerCache",
      {LayerCacheObject::InstanceMethod<&LayerCacheObject::Scores>("scores"),
       LayerCacheObject::InstanceMethod<&LayerCacheObject::Kept>("kept"),
       LayerCacheObject::InstanceMethod<&LayerCacheObject::Bytes>("bytes"),
       LayerCacheObject::InstanceMethod<&LayerCacheObject::Append>("append"),
       LayerCacheObject::InstanceMethod<&LayerCacheObject::Attend>("attend"),
       LayerCacheObject::InstanceMethod<&LayerCacheObject::Export>("export"),
       LayerCacheObject::InstanceMethod<&LayerCacheObject::Scramble>("scramble"),
       LayerCacheObject::InstanceMethod<&LayerCacheObject::Dispose>("dispose")});
}

}  // namespace qpkv
