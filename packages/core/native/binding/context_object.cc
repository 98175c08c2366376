// NativeContext of addon.ts.
#include "binding/convert.h"
#include "binding/objects.h"
#include "engine/sampler.h"

namespace qpkv {
namespace {

Sampling ReadSampling(const Napi::Object& from) {
  Sampling sampling;
  sampling.temperature = NumberOf(from, "temperature");
  sampling.top_k = IntOf(from, "topK");
  sampling.top_p = NumberOf(from, "topP");
  sampling.min_p = NumberOf(from, "minP");
  sampling.repetition_penalty = NumberOf(from, "repetitionPenalty");
  return sampling;
}

class ContextObject : public Napi::ObjectWrap<ContextObject> {
 public:
  explicit ContextObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<ContextObject>(info), context_(info, "context") {}

  Napi::Value Tokens(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), Held(info)->tokens());
  }

  Napi::Value Bytes(const Napi::CallbackInfo& info) {
    std::lock_guard<FairMutex> lock(Held(info)->model().engine->mutex);
    return BytesObject(info.Env(), Held(info)->Bytes());
  }

  Napi::Value Kept(const Napi::CallbackInfo& info) {
    std::lock_guard<FairMutex> lock(Held(info)->model().engine->mutex);
    std::vector<std::vector<int32_t>> kept;
    for (size_t l = 0; l < Held(info)->layer_count(); ++l) {
      const KvLayer& layer = Held(info)->layer(l);
      kept.emplace_back();
      for (int head = 0; head < layer.shape().stored_heads(); ++head)
        kept.back().push_back(layer.kept_tokens(head));
    }
    return KeptArrays(info.Env(), kept);
  }

  void Seed(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    Held(info)->random = Xoshiro256(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
  }

  Napi::Value Sample(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    const Sampling sampling = ReadSampling(info[0].As<Napi::Object>());
    Context& context = *Held(info);
    return Napi::Number::New(
        info.Env(), SampleToken(context.logits(), sampling, context.seen(), &context.random));
  }

  Napi::Value Logits(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    return FloatArray(info.Env(), Held(info)->logits());
  }

  Napi::Value Append(const Napi::CallbackInfo& info) { return Feed(info, false); }
  Napi::Value AppendAll(const Napi::CallbackInfo& info) { return Feed(info, true); }

  Napi::Value Fork(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    return MakeObject(info.Env(), info.Env().GetInstanceData<Instance>()->context,
                      std::make_shared<Context>(*Held(info)));
  }

  Napi::Value Export(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    Context& context = *Held(info);
    const int layer = info[0].As<Napi::Number>().Int32Value(),
              head = info[1].As<Napi::Number>().Int32Value();
    if (layer < 0 || layer >= static_cast<int>(context.layer_count()) || head < 0 ||
        head >= context.layer(static_cast<size_t>(layer)).shape().stored_heads())
      throw MakeError(info.Env(), "KV_INVALID_OPTION", "There is no such layer or stored head.");
    std::lock_guard<FairMutex> lock(context.model().engine->mutex);
    return Guarded(info.Env(), [&] {
      return ExportObject(info.Env(), context.layer(static_cast<size_t>(layer)), head);
    });
  }

  void Scramble(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    Context& context = *Held(info);
    std::lock_guard<FairMutex> lock(context.model().engine->mutex);
    const uint64_t seed = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
    for (size_t l = 0; l < context.layer_count(); ++l) context.layer(l).Scramble(seed + l);
  }

  void Abort(const Napi::CallbackInfo&) {
    if (context_.get() != nullptr) context_.get()->abort.store(true);
  }
  void Dispose(const Napi::CallbackInfo& info) {
    Abort(info);
    context_.Drop();
  }

 private:
  const std::shared_ptr<Context>& Held(const Napi::CallbackInfo& info) {
    return context_.Get(info.Env());
  }
  std::shared_ptr<void> Mark(const Napi::CallbackInfo& info) {
    return MarkBusy(info.Env(), Held(info), "context");
  }

  Napi::Value Feed(const Napi::CallbackInfo& info, bool all) {
    const std::shared_ptr<Context>& context = Held(info);
    std::vector<int32_t> ids = Ints(info[0]);
    CheckIds(info.Env(), ids, context->model().description.vocab);
    auto mark = Mark(info);
    context->abort.store(false);  // an abort() before this call meant an earlier one
    return RunAsync(
        info.Env(), [context, ids = std::move(ids), all, mark = std::move(mark)]() -> Finish {
          std::vector<float> logits(all ? ids.size() * context->model().description.vocab : 0);
          context->Append(ids.data(), static_cast<int>(ids.size()), all ? logits.data() : nullptr);
          return [logits = std::move(logits), all](Napi::Env env) {
            return all ? FloatArray(env, logits) : env.Undefined();
          };
        });
  }

  Handle<Context> context_;
};

}  // namespace

Napi::Function DefineContext(Napi::Env env) {
  return ContextObject::DefineClass(
      env, "NativeContext",
      {ContextObject::InstanceAccessor<&ContextObject::Tokens>("tokens"),
       ContextObject::InstanceMethod<&ContextObject::Bytes>("bytes"),
       ContextObject::InstanceMethod<&ContextObject::Kept>("kept"),
       ContextObject::InstanceMethod<&ContextObject::Seed>("seed"),
       ContextObject::InstanceMethod<&ContextObject::Sample>("sample"),
       ContextObject::InstanceMethod<&ContextObject::Logits>("logits"),
       ContextObject::InstanceMethod<&ContextObject::Append>("append"),
       ContextObject::InstanceMethod<&ContextObject::AppendAll>("appendAll"),
       ContextObject::InstanceMethod<&ContextObject::Fork>("fork"),
       ContextObject::InstanceMethod<&ContextObject::Export>("export"),
       ContextObject::InstanceMethod<&ContextObject::Scramble>("scramble"),
       ContextObject::InstanceMethod<&ContextObject::Abort>("abort"),
       ContextObject::InstanceMethod<&ContextObject::Dispose>("dispose")});
}

}  // namespace qpkv
