// NativePrefill of addon.ts.
#include "binding/convert.h"
#include "binding/objects.h"

namespace qpkv {
namespace {

// [plans][layers][stored heads]
Napi::Array AllKept(Napi::Env env, const Prefill& prefill) {
  const auto count = static_cast<uint32_t>(prefill.plan_count());
  Napi::Array plans = Napi::Array::New(env, count);
  for (uint32_t i = 0; i < count; ++i) {
    const auto& kept = prefill.kept(static_cast<int>(i));
    Napi::Array layers = Napi::Array::New(env, kept.size());
    for (uint32_t l = 0; l < kept.size(); ++l) layers.Set(l, KeptArrays(env, kept[l]));
    plans.Set(i, layers);
  }
  return plans;
}

class PrefillObject : public Napi::ObjectWrap<PrefillObject> {
 public:
  explicit PrefillObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<PrefillObject>(info), prefill_(info, "prefill") {}

  Napi::Value Layer(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), prefill_.Get(info.Env())->layer());
  }

  Napi::Value RunLayer(const Napi::CallbackInfo& info) {
    const std::shared_ptr<Prefill>& prefill = prefill_.Get(info.Env());
    return RunTo(info, prefill->layer() + 1, false, nullptr);
  }

  Napi::Value RunLayers(const Napi::CallbackInfo& info) {
    const int layers = prefill_.Get(info.Env())->model().description.layers;
    std::function<void(int)> progress;
    if (info[0].IsFunction()) {
      const auto call =
          std::make_shared<Napi::FunctionReference>(Napi::Persistent(info[0].As<Napi::Function>()));
      progress = [call, runtime = &prefill_.runtime()](int layer) {
        runtime->Post(
            [call, layer](Napi::Env env) { call->Call({Napi::Number::New(env, layer)}); });
      };
    }
    return RunTo(info, layers, true, std::move(progress));
  }

  Napi::Value Scores(const Napi::CallbackInfo& info) {
    const int plan = PlanIndex(info);
    return Enqueue(info, [plan](Prefill& prefill) -> Finish {
      std::vector<float> scores = prefill.Scores(plan);
      return [scores = std::move(scores)](Napi::Env env) { return FloatArray(env, scores); };
    });
  }

  Napi::Value Kept(const Napi::CallbackInfo& info) {
    return AllKept(info.Env(), *prefill_.Get(info.Env()));
  }

  Napi::Value Exact(const Napi::CallbackInfo& info) {
    const Tensor tensor =
        info[0].As<Napi::String>().Utf8Value() == "key" ? Tensor::kKey : Tensor::kValue;
    return Enqueue(info, [tensor](Prefill& prefill) -> Finish {
      std::vector<float> values = prefill.Exact(tensor);
      return [values = std::move(values)](Napi::Env env) { return FloatArray(env, values); };
    });
  }

  Napi::Value CompressLayer(const Napi::CallbackInfo& info) {
    // A reference of its own: a getter of the options could dispose of this object.
    const std::shared_ptr<Prefill> prefill = prefill_.Get(info.Env());
    const int plan = PlanIndex(info);
    auto given = std::make_shared<Replacements>();
    bool select_only = false;
    if (info.Length() > 1 && info[1].IsObject()) {
      const Napi::Object options = info[1].As<Napi::Object>();
      if (Has(options, "scores")) given->scores = Floats(options.Get("scores"));
      if (Has(options, "replacement")) {
        const Napi::Object replacement = options.Get("replacement").As<Napi::Object>();
        given->keys = Floats(replacement.Get("key"));
        given->values = Floats(replacement.Get("value"));
      }
      select_only = Has(options, "selectOnly") && options.Get("selectOnly").ToBoolean();
    }
    CheckReplacements(info.Env(), *prefill, plan, *given);
    return Enqueue(info, [plan, given, select_only](Prefill& at) -> Finish {
      std::vector<std::vector<int32_t>> kept = at.CompressLayer(plan, *given, select_only);
      return [kept = std::move(kept)](Napi::Env env) { return KeptArrays(env, kept); };
    });
  }

  Napi::Value Finish_(const Napi::CallbackInfo& info) {
    return Enqueue(info, [runtime = prefill_.shared_runtime().get()](Prefill& prefill) -> Finish {
      std::vector<std::shared_ptr<Context>> contexts = prefill.Finish();
      return [contexts = std::move(contexts), runtime](Napi::Env env) -> Napi::Value {
        Napi::Array all = Napi::Array::New(env, contexts.size());
        for (uint32_t i = 0; i < contexts.size(); ++i)
          all.Set(i, MakeObject(env, env.GetInstanceData<Instance>()->context,
                                runtime->shared_from_this(), contexts[i]));
        return all;
      };
    });
  }

  Napi::Value AllLogits(const Napi::CallbackInfo& info) {
    return Enqueue(info, [](Prefill& prefill) -> Finish {
      std::vector<float> logits = prefill.AllLogits();
      return [logits = std::move(logits)](Napi::Env env) { return FloatArray(env, logits); };
    });
  }

  void Abort(const Napi::CallbackInfo&) {
    if (prefill_.get() == nullptr) return;
    prefill_.get()->abort.store(true);
    prefill_.runtime().scheduler().Wake();
  }
  void Dispose(const Napi::CallbackInfo& info) {
    Abort(info);
    const std::shared_ptr<Runtime> runtime = prefill_.shared_runtime();
    prefill_.Drop();
    if (runtime != nullptr) runtime->scheduler().Wake();  // others may wait for its memory
  }

 private:
  std::shared_ptr<void> Mark(const Napi::CallbackInfo& info) {
    return MarkBusy(info.Env(), prefill_.Get(info.Env()), "prefill");
  }

  Napi::Value Enqueue(const Napi::CallbackInfo& info, std::function<Finish(Prefill&)> run) {
    const std::shared_ptr<Prefill> prefill = prefill_.Get(info.Env());
    return prefill_.runtime().Run(
        info.Env(), prefill, [prefill, run = std::move(run)] { return run(*prefill); }, Mark(info));
  }

  // [plans][layers][stored heads] of positions, or nothing where the caller compresses.
  Napi::Value RunTo(const Napi::CallbackInfo& info, int layer, bool compress,
                    std::function<void(int)> progress) {
    auto job = std::make_unique<PrefillJob>(prefill_.Get(info.Env()), layer, compress,
                                            std::move(progress));
    const PrefillJob* running = job.get();  // lives until its promise has a value
    const auto finish = [running, compress](Napi::Env env) -> Napi::Value {
      if (!compress) return env.Undefined();
      return AllKept(env, running->prefill());
    };
    return prefill_.runtime().Submit(info.Env(), std::move(job), Mark(info), finish);
  }

  int PlanIndex(const Napi::CallbackInfo& info) {
    const int plan = info[0].As<Napi::Number>().Int32Value();
    if (plan < 0 || plan >= prefill_.Get(info.Env())->plan_count())
      throw MakeError(info.Env(), "KV_INVALID_OPTION",
                      "There is no plan " + std::to_string(plan) + ".");
    return plan;
  }

  static void CheckReplacements(Napi::Env env, Prefill& prefill, int plan,
                                const Replacements& given) {
    const size_t rows = static_cast<size_t>(prefill.stored_heads(plan)) * prefill.tokens();
    const size_t values = rows * prefill.model().description.head_dim;
    if (!given.scores.empty() && given.scores.size() != rows)
      throw MakeError(env, "KV_METHOD",
                      "Expected " + std::to_string(rows) +
                          " scores [storedHeads, tokens] but received " +
                          std::to_string(given.scores.size()) + ".");
    if (given.keys.size() != given.values.size() ||
        (!given.keys.empty() && given.keys.size() != values))
      throw MakeError(env, "KV_METHOD",
                      "Expected replacements of " + std::to_string(values) +
                          " values [storedHeads, tokens, headDim] but received " +
                          std::to_string(given.keys.size()) + ".");
  }

  Handle<Prefill> prefill_;
};

}  // namespace

Napi::Function DefinePrefill(Napi::Env env) {
  return PrefillObject::DefineClass(
      env, "NativePrefill",
      {PrefillObject::InstanceAccessor<&PrefillObject::Layer>("layer"),
       PrefillObject::InstanceMethod<&PrefillObject::RunLayer>("runLayer"),
       PrefillObject::InstanceMethod<&PrefillObject::RunLayers>("runLayers"),
       PrefillObject::InstanceMethod<&PrefillObject::Scores>("scores"),
       PrefillObject::InstanceMethod<&PrefillObject::Exact>("exact"),
       PrefillObject::InstanceMethod<&PrefillObject::Kept>("kept"),
       PrefillObject::InstanceMethod<&PrefillObject::CompressLayer>("compressLayer"),
       PrefillObject::InstanceMethod<&PrefillObject::Finish_>("finish"),
       PrefillObject::InstanceMethod<&PrefillObject::AllLogits>("allLogits"),
       PrefillObject::InstanceMethod<&PrefillObject::Abort>("abort"),
       PrefillObject::InstanceMethod<&PrefillObject::Dispose>("dispose")});
}

}  // namespace qpkv
