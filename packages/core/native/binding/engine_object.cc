// NativeEngine of addon.ts.
#include "binding/convert.h"
#include "binding/objects.h"
#include "binding/read_model.h"
#include "binding/read_plan.h"
#include "binding/read_score.h"
#include "engine/selection.h"

namespace qpkv {
namespace {

// ReplayOptions: tokens that repeat a part of the prompt.
void ReadReplays(const Napi::Object& from, LayerInput* input) {
  if (!Has(from, "replays")) return;
  const Napi::Array list = from.Get("replays").As<Napi::Array>();
  const LayerShape& shape = input->shape;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Object one = list.Get(i).As<Napi::Object>();
    ReplayInput replay;
    replay.rows = IntOf(one, "rows");
    replay.from = IntOf(one, "from");
    replay.to = IntOf(one, "to");
    replay.q = Floats(one.Get("q"));
    replay.k = Floats(one.Get("k"));
    replay.input_norms = Floats(one.Get("inputNorms"));
    const size_t row = static_cast<size_t>(shape.head_dim) * static_cast<size_t>(replay.rows);
    const bool lies = 0 <= replay.from && replay.from < replay.to && replay.to <= input->tokens &&
                      replay.rows >= 1 && replay.rows <= replay.to - replay.from + kMostReplayWords;
    if (!lies || replay.q.size() != row * static_cast<size_t>(shape.query_heads) ||
        replay.k.size() != row * static_cast<size_t>(shape.kv_heads) ||
        replay.input_norms.size() != static_cast<size_t>(replay.rows))
      throw MakeError(from.Env(), "KV_INVALID_OPTION",
                      "replays: expected parts [from, to) of the prompt, and q, k and inputNorms "
                      "as long as rows says.");
    input->replays.push_back(std::move(replay));
  }
}

// LayerOptions.
LayerInput ReadLayerInput(const Napi::Object& from) {
  LayerInput input;
  input.q = Floats(from.Get("q"));
  input.k = Floats(from.Get("k"));
  input.tokens = IntOf(from, "tokens");
  input.shape.query_heads = IntOf(from, "queryHeads");
  input.shape.kv_heads = IntOf(from, "kvHeads");
  input.shape.head_dim = IntOf(from, "headDim");
  input.shape.per_query_head = TextOf(from, "heads") == "query";
  if (Has(from, "slidingWindow")) input.shape.window = IntOf(from, "slidingWindow");
  if (Has(from, "userEnd")) input.user_end = IntOf(from, "userEnd");
  const auto optional = [&](const char* name, std::vector<float>* to) {
    if (Has(from, name)) *to = Floats(from.Get(name));
  };
  optional("v", &input.v);
  optional("qBefore", &input.q_before);
  optional("kBefore", &input.k_before);
  optional("outputWeight", &input.output);
  optional("ropeInvFreq", &input.inv_freq);
  const LayerShape& shape = input.shape;
  // Kernels keep a row of at most 256 channels on the stack, and channels in pairs.
  if (input.tokens < 1 || shape.kv_heads < 1 || shape.query_heads < 1 ||
      shape.query_heads % shape.kv_heads != 0 || shape.head_dim < 2 || shape.head_dim > 256 ||
      shape.head_dim % 2 != 0)
    throw MakeError(from.Env(), "KV_INVALID_OPTION",
                    "Expected tokens, queryHeads in whole groups of kvHeads, and an even headDim "
                    "of at most 256.");
  const size_t dim = static_cast<size_t>(input.shape.head_dim),
               tokens = static_cast<size_t>(input.tokens);
  if (input.q.size() != tokens * input.shape.query_heads * dim ||
      input.k.size() != tokens * input.shape.kv_heads * dim)
    throw MakeError(from.Env(), "KV_INVALID_OPTION",
                    "q or k has another length than its shape says.");
  const size_t width = static_cast<size_t>(shape.query_heads) * dim;
  const auto fits = [](const std::vector<float>& x, size_t size) {
    return x.empty() || x.size() == size;
  };
  if (!fits(input.v, input.k.size()) || !fits(input.k_before, input.k.size()) ||
      !fits(input.q_before, input.q.size()) || input.output.size() % width != 0 ||
      !fits(input.inv_freq, dim / 2))
    throw MakeError(from.Env(), "KV_INVALID_OPTION",
                    "v, kBefore, qBefore, outputWeight or ropeInvFreq has another length than the "
                    "shape says.");
  ReadReplays(from, &input);
  return input;
}

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
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

  Napi::Value CreateLayerCache(const Napi::CallbackInfo& info) {
    const Napi::Object from = info[0].As<Napi::Object>();
    const StatisticList& statistics = engine_.Get(info.Env())->statistics;
    auto input = std::make_shared<LayerInput>(ReadLayerInput(from));
    input->precision = PrecisionOf(from);
    if (Has(from, "scores")) input->scores = Floats(from.Get("scores"));
    if (input->v.size() != input->k.size())
      throw MakeError(info.Env(), "KV_INVALID_OPTION", "v has another length than k.");
    if (!input->scores.empty() &&
        input->scores.size() != static_cast<size_t>(input->shape.stored_heads()) * input->tokens)
      throw MakeError(info.Env(), "KV_INVALID_OPTION",
                      "scores has another length than [storedHeads, tokens].");
    std::shared_ptr<const LayerPlan> plan =
        ReadLayerPlan(from.Get("plan").As<Napi::Object>(), statistics, "plan");
    const std::shared_ptr<Engine> engine = engine_.Get(info.Env());
    return engine_.runtime().Run(
        info.Env(), [engine, input, plan, runtime = &engine_.runtime()]() -> Finish {
          auto cache = std::make_shared<LayerCache>(engine, *input, plan);
          return [cache, runtime](Napi::Env env) {
            return MakeObject(env, env.GetInstanceData<Instance>()->layer_cache,
                              runtime->shared_from_this(), cache);
          };
        });
  }

  // Kept positions [layers][stored heads] of layers whose scores are given, as prefill chooses
  // them.
  Napi::Value SelectLayers(const Napi::CallbackInfo& info) {
    const Napi::Object from = info[0].As<Napi::Object>();
    struct Given {
      std::vector<std::shared_ptr<const LayerPlan>> plans;
      std::vector<std::vector<float>> scores;
      int tokens = 0, heads = 0;
    };
    auto given = std::make_shared<Given>();
    given->tokens = IntOf(from, "tokens");
    given->heads = IntOf(from, "heads");
    const Napi::Array layers = from.Get("layers").As<Napi::Array>();
    for (uint32_t i = 0; i < layers.Length(); ++i) {
      const Napi::Object layer = layers.Get(i).As<Napi::Object>();
      given->plans.push_back(ReadLayerPlan(layer.Get("plan").As<Napi::Object>(),
                                           engine_.Get(info.Env())->statistics, "plan"));
      given->scores.push_back(Floats(layer.Get("scores")));
      if (given->tokens < 1 || given->heads < 1 ||
          given->scores.back().size() !=
              static_cast<size_t>(given->tokens) * static_cast<size_t>(given->heads))
        throw MakeError(info.Env(), "KV_INVALID_OPTION",
                        "Expected scores [heads, tokens] for each layer.");
    }
    return engine_.runtime().Run(info.Env(), [engine = engine_.Get(info.Env()), given]() -> Finish {
      EngineLock lock(*engine);
      std::vector<Buffer> buffers;
      std::vector<LayerToSelect> all;
      for (size_t l = 0; l < given->plans.size(); ++l) {
        const size_t bytes = given->scores[l].size() * sizeof(float);
        buffers.emplace_back(engine->device, bytes);
        engine->Upload(buffers.back().data(), given->scores[l].data(), bytes);
        SelectionInput input;
        input.stages = {buffers.back().floats()};
        input.heads = given->heads;
        input.tokens = given->tokens;
        input.layer = static_cast<int>(l);
        all.push_back({given->plans[l].get(), input});
      }
      auto kept = SelectOverLayers(*engine, all);
      return [kept = std::move(kept)](Napi::Env env) -> Napi::Value {
        Napi::Array out = Napi::Array::New(env, kept.size());
        for (uint32_t l = 0; l < kept.size(); ++l) out.Set(l, KeptArrays(env, kept[l]));
        return out;
      };
    });
  }

  Napi::Value Observe(const Napi::CallbackInfo& info) {
    const Napi::Object from = info[0].As<Napi::Object>();
    const std::shared_ptr<Engine> engine = engine_.Get(info.Env());
    auto input = std::make_shared<LayerInput>(ReadLayerInput(from));
    input->score = ReadScore(from.Get("score"), engine->statistics, "score");
    if (Has(from, "protectLast")) input->protect_last = IntOf(from, "protectLast");
    return engine_.runtime().Run(info.Env(), [engine, input]() -> Finish {
      EngineLock lock(*engine);
      std::vector<float> out = ObserveLayer(engine, *input);
      lock.Finish();
      return [out = std::move(out)](Napi::Env env) { return FloatArray(env, out); };
    });
  }

  void Dispose(const Napi::CallbackInfo&) { engine_.Drop(); }

 private:
  Handle<Engine> engine_;
};

}  // namespace

Napi::Function DefineEngine(Napi::Env env) {
  return EngineObject::DefineClass(
      env, "NativeEngine",
      {EngineObject::InstanceAccessor<&EngineObject::Table>("table"),
       EngineObject::InstanceAccessor<&EngineObject::Threads>("threads"),
       EngineObject::InstanceMethod<&EngineObject::LoadModel>("loadModel"),
       EngineObject::InstanceMethod<&EngineObject::CreateLayerCache>("createLayerCache"),
       EngineObject::InstanceMethod<&EngineObject::SelectLayers>("selectLayers"),
       EngineObject::InstanceMethod<&EngineObject::Observe>("observe"),
       EngineObject::InstanceMethod<&EngineObject::Dispose>("dispose")});
}

}  // namespace qpkv
