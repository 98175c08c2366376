// NativeContext of addon.ts.
#include <algorithm>
#include <cstring>

#include "binding/convert.h"
#include "binding/objects.h"
#include "binding/read_plan.h"
#include "binding/sampling.h"

namespace qpkv {
namespace {

constexpr int kMostExpected = 1 << 30;

class ContextObject : public Napi::ObjectWrap<ContextObject> {
 public:
  Handle<Context> context_;

  explicit ContextObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<ContextObject>(info), context_(info, "context") {}

  Napi::Value Tokens(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), Held(info)->tokens());
  }

  Napi::Value Bytes(const Napi::CallbackInfo& info) {
    return BytesObject(info.Env(), Held(info)->Facts().bytes);
  }

  Napi::Value Kept(const Napi::CallbackInfo& info) {
    return KeptArrays(info.Env(), Held(info)->Facts().kept);
  }

  void Seed(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    Held(info)->random = Xoshiro256(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
  }

  Napi::Value Sample(const Napi::CallbackInfo& info) {
    const int vocab = Held(info)->model().description.vocab;
    return Submit(info, {}, false, ReadSampling(info[0].As<Napi::Object>(), vocab));
  }

  Napi::Value Logits(const Napi::CallbackInfo& info) {
    return context_.runtime().Run(
        info.Env(),
        [context = Held(info)]() -> Finish {
          std::vector<float> logits = context->Logits();
          return [logits = std::move(logits)](Napi::Env env) { return FloatArray(env, logits); };
        },
        Mark(info));
  }

  Napi::Value State(const Napi::CallbackInfo& info) {
    return context_.runtime().Run(
        info.Env(),
        [context = Held(info)]() -> Finish {
          std::vector<float> logits = context->Logits();
          const Xoshiro256::State& words = context->random.state();
          std::vector<uint8_t> random(sizeof(words));
          std::memcpy(random.data(), words.data(), random.size());
          return [ids = context->ids(), logits = std::move(logits),
                  random = std::move(random)](Napi::Env env) -> Napi::Value {
            Napi::Object state = Napi::Object::New(env);
            state.Set("ids", IntArray(env, ids));
            state.Set("logits", FloatArray(env, logits));
            state.Set("random", ByteArray(env, random));
            return state;
          };
        },
        Mark(info));
  }

  Napi::Value SaveLayer(const Napi::CallbackInfo& info) {
    const std::shared_ptr<Context> context = Held(info);
    const int layer = info[0].As<Napi::Number>().Int32Value();
    if (layer < 0 || layer >= static_cast<int>(context->layer_count()))
      throw MakeError(info.Env(), "KV_INVALID_OPTION", "There is no such layer.");
    std::vector<std::vector<int32_t>> kept = IntLists(info[1]);
    if (static_cast<int>(kept.size()) !=
        context->layer(static_cast<size_t>(layer)).shape().stored_heads())
      throw MakeError(info.Env(), "KV_INVALID_OPTION",
                      "Expected kept positions of each stored head.");
    return context_.runtime().Run(
        info.Env(),
        [context, layer, kept = std::move(kept)]() -> Finish {
          EngineLock lock(*context->model().engine);
          std::vector<uint8_t> bytes = WriteLayer(context->layer(static_cast<size_t>(layer)), kept);
          lock.Finish();
          return [bytes = std::move(bytes)](Napi::Env env) { return ByteArray(env, bytes); };
        },
        Mark(info));
  }

  Napi::Value Append(const Napi::CallbackInfo& info) { return Feed(info, false); }
  Napi::Value AppendAll(const Napi::CallbackInfo& info) { return Feed(info, true); }

  Napi::Value Recompress(const Napi::CallbackInfo& info) {
    // A reference of its own: a getter of the plan could dispose of this object.
    const std::shared_ptr<Context> context = Held(info);
    const Napi::Object from = info[0].As<Napi::Object>();
    Recompression::Request request;
    request.plan =
        ReadPlan(from.Get("plan").As<Napi::Object>(), context->model().engine->statistics);
    if (Has(from, "first")) request.first = IntOf(from, "first");
    if (Has(from, "taken")) request.taken = IntOf(from, "taken");
    if (Has(from, "store"))
      request.store =
          ReadPlan(from.Get("store").As<Napi::Object>(), context->model().engine->statistics);
    const Napi::Array layers = from.Get("held").As<Napi::Array>();
    for (uint32_t l = 0; l < layers.Length(); ++l) request.held.push_back(IntLists(layers.Get(l)));
    request.held_of = IntOf(from, "heldOf");
    request.running = Ints(from.Get("running"));
    request.memory = ReadContextMemory(from.Get("memory").As<Napi::Object>());
    request.may_wait = !Has(from, "mayWait") || from.Get("mayWait").ToBoolean().Value();
    request.work = BytesOf(from, "work");
    CheckHeld(info.Env(), *context, request);
    auto mark = Mark(info);
    context->abort.store(false);
    return Guarded(info.Env(), [&] {
      auto job = std::make_unique<RecompressionJob>(
          std::make_shared<Recompression>(context, std::move(request)));
      const RecompressionJob* running = job.get();  // lives until its promise has a value
      return context_.runtime().Submit(info.Env(), std::move(job), std::move(mark),
                                       [running](Napi::Env env) -> Napi::Value {
                                         const auto& kept = running->recompression().kept();
                                         Napi::Array all = Napi::Array::New(env, kept.size());
                                         for (uint32_t l = 0; l < kept.size(); ++l)
                                           all.Set(l, KeptArrays(env, kept[l]));
                                         return all;
                                       });
    });
  }

  Napi::Value Segments(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    Context& context = *Held(info);
    Napi::Array layers = Napi::Array::New(info.Env(), context.layer_count());
    for (uint32_t l = 0; l < context.layer_count(); ++l) {
      const KvLayer& layer = context.layer(l);
      std::vector<std::vector<int32_t>> heads;
      for (int head = 0; head < layer.shape().stored_heads(); ++head)
        heads.push_back(layer.SegmentCounts(head, Tensor::kKey));
      layers.Set(l, KeptArrays(info.Env(), heads));
    }
    return layers;
  }

  void Hold(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    Context& context = *Held(info);
    for (size_t l = 0; l < context.layer_count(); ++l)
      context.layer(l).Hold(info[0].ToBoolean().Value());
  }

  Napi::Value Fork(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    const Context& from = *Held(info);
    return Guarded(info.Env(), [&] {
      std::shared_ptr<Context> fork;
      if (info[0].IsUndefined()) {
        fork = std::make_shared<Context>(from);
      } else {
        const int tokens = info[0].As<Napi::Number>().Int32Value();
        if (tokens < 0 || tokens >= from.tokens())
          throw Error("KV_INVALID_OPTION", "Expected fewer tokens than there are.");
        fork = std::make_shared<Context>(from, tokens);
      }
      return MakeObject(info.Env(), info.Env().GetInstanceData<Instance>()->context,
                        context_.shared_runtime(), std::move(fork));
    });
  }

  Napi::Value Ids(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    const std::vector<int32_t>& ids = Held(info)->ids();
    const int size = static_cast<int>(ids.size());
    const int end = std::clamp(info[0].As<Napi::Number>().Int32Value(), 0, size),
              count = std::clamp(info[1].As<Napi::Number>().Int32Value(), 0, end);
    return IntArray(info.Env(), {ids.begin() + (end - count), ids.begin() + end});
  }

  Napi::Value Positions(const Napi::CallbackInfo& info) {
    const auto mark = Mark(info);
    Context& context = *Held(info);
    const int layer = info[0].As<Napi::Number>().Int32Value(),
              head = info[1].As<Napi::Number>().Int32Value();
    if (layer < 0 || layer >= static_cast<int>(context.layer_count()) || head < 0 ||
        head >= context.layer(static_cast<size_t>(layer)).shape().stored_heads())
      throw MakeError(info.Env(), "KV_INVALID_OPTION", "There is no such layer or stored head.");
    return IntArray(info.Env(), context.layer(static_cast<size_t>(layer)).KeptPositions(head));
  }

  void Expect(const Napi::CallbackInfo& info) {
    const double tokens = info[0].As<Napi::Number>().DoubleValue();
    Held(info)->Expect(static_cast<int>(std::clamp(tokens, 0.0, double{kMostExpected})));
    context_.runtime().scheduler().Wake();
  }

  void Abort(const Napi::CallbackInfo&) {
    if (context_.get() == nullptr) return;
    context_.get()->abort.store(true);
    context_.runtime().scheduler().Wake();
  }
  void Dispose(const Napi::CallbackInfo& info) {
    Abort(info);
    const std::shared_ptr<Runtime> runtime = context_.shared_runtime();
    context_.Drop();
    if (runtime != nullptr) runtime->scheduler().Wake();  // others may wait for its memory
  }

 private:
  const std::shared_ptr<Context>& Held(const Napi::CallbackInfo& info) {
    return context_.Get(info.Env());
  }
  std::shared_ptr<void> Mark(const Napi::CallbackInfo& info) {
    return MarkBusy(info.Env(), Held(info), "context");
  }

  static std::vector<std::vector<int32_t>> IntLists(const Napi::Value& value) {
    const Napi::Array from = value.As<Napi::Array>();
    std::vector<std::vector<int32_t>> lists;
    for (uint32_t i = 0; i < from.Length(); ++i) lists.push_back(Ints(from.Get(i)));
    return lists;
  }

  // Lists of kept positions that belong to what the context holds.
  static void CheckHeld(Napi::Env env, Context& context, const Recompression::Request& request) {
    bool fits = request.held.size() == context.layer_count() &&
                request.running.size() == context.layer_count() && request.held_of >= 0;
    for (size_t l = 0; fits && l < request.held.size(); ++l) {
      const KvLayer& layer = context.layer(l);
      fits = static_cast<int>(request.held[l].size()) == layer.shape().stored_heads() &&
             (request.running[l] == 0 || layer.by_score());
      for (int head = 0; fits && head < layer.shape().stored_heads(); ++head) {
        const std::vector<int32_t> all =
            layer.Positions(head, request.held[l][head], request.held_of);
        fits = static_cast<int>(all.size()) == layer.store().tokens(head) &&
               std::all_of(all.begin(), all.end(),
                           [&](int32_t at) { return at >= -1 && at < context.tokens(); });
      }
    }
    if (!fits)
      throw MakeError(env, "KV_INVALID_OPTION",
                      "The kept positions are not those of what the context holds.");
  }

  Napi::Value Feed(const Napi::CallbackInfo& info, bool all) {
    // A reference of its own: a getter of the sampling could dispose of this object.
    const std::shared_ptr<Context> context = Held(info);
    std::vector<int32_t> ids = Ints(info[0]);
    CheckIds(info.Env(), ids, context->model().description.vocab);
    std::optional<Sampling> sampling;
    if (!all && info.Length() > 1 && info[1].IsObject())
      sampling = ReadSampling(info[1].As<Napi::Object>(), context->model().description.vocab);
    return Submit(info, std::move(ids), all, sampling);
  }

  Napi::Value Submit(const Napi::CallbackInfo& info, std::vector<int32_t> ids, bool all,
                     const std::optional<Sampling>& sampling) {
    const std::shared_ptr<Context> context = Held(info);
    auto mark = Mark(info);
    context->abort.store(false);  // an abort() before this call meant an earlier one
    auto job = std::make_unique<FeedJob>(context, std::move(ids), all, sampling);
    const FeedJob* feed = job.get();  // lives until its promise has a value
    const int logprobs = sampling ? sampling->logprobs : -1;
    const auto finish = [feed, all, logprobs](Napi::Env env) -> Napi::Value {
      if (all) return FloatArray(env, feed->logits());
      if (feed->chosen()) return TokenObject(env, *feed->chosen(), logprobs);
      return env.Undefined();
    };
    return context_.runtime().Submit(info.Env(), std::move(job), std::move(mark), finish);
  }
};

}  // namespace

const Handle<Context>& ContextOf(const Napi::Value& context) {
  return ContextObject::Unwrap(context.As<Napi::Object>())->context_;
}

Napi::Function DefineContext(Napi::Env env) {
  return ContextObject::DefineClass(
      env, "NativeContext",
      {ContextObject::InstanceAccessor<&ContextObject::Tokens>("tokens"),
       ContextObject::InstanceMethod<&ContextObject::Bytes>("bytes"),
       ContextObject::InstanceMethod<&ContextObject::Kept>("kept"),
       ContextObject::InstanceMethod<&ContextObject::Seed>("seed"),
       ContextObject::InstanceMethod<&ContextObject::Sample>("sample"),
       ContextObject::InstanceMethod<&ContextObject::Logits>("logits"),
       ContextObject::InstanceMethod<&ContextObject::State>("state"),
       ContextObject::InstanceMethod<&ContextObject::SaveLayer>("saveLayer"),
       ContextObject::InstanceMethod<&ContextObject::Append>("append"),
       ContextObject::InstanceMethod<&ContextObject::AppendAll>("appendAll"),
       ContextObject::InstanceMethod<&ContextObject::Expect>("expect"),
       ContextObject::InstanceMethod<&ContextObject::Recompress>("recompress"),
       ContextObject::InstanceMethod<&ContextObject::Segments>("segments"),
       ContextObject::InstanceMethod<&ContextObject::Hold>("hold"),
       ContextObject::InstanceMethod<&ContextObject::Fork>("fork"),
       ContextObject::InstanceMethod<&ContextObject::Ids>("ids"),
       ContextObject::InstanceMethod<&ContextObject::Positions>("positions"),
       ContextObject::InstanceMethod<&ContextObject::Abort>("abort"),
       ContextObject::InstanceMethod<&ContextObject::Dispose>("dispose")});
}

}  // namespace qpkv
