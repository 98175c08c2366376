// See probe.h.
#include "probe/probe.h"

#include "binding/convert.h"
#include "binding/objects.h"
#include "binding/read_plan.h"
#include "binding/read_score.h"
#include "engine/selection.h"
#include "probe/export_object.h"
#include "probe/layer_cache.h"
#include "probe/read_layer_input.h"

namespace qpkv {
namespace {

Napi::Value CreateLayerCache(const Napi::CallbackInfo& info) {
  const Handle<Engine>& held = EngineOf(info[0]);
  const Napi::Object from = info[1].As<Napi::Object>();
  const StatisticList& statistics = held.Get(info.Env())->statistics;
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
  const std::shared_ptr<Engine> engine = held.Get(info.Env());
  return held.runtime().Run(info.Env(),
                            [engine, input, plan, runtime = &held.runtime()]() -> Finish {
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
  const Handle<Engine>& held = EngineOf(info[0]);
  const Napi::Object from = info[1].As<Napi::Object>();
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
                                         held.Get(info.Env())->statistics, "plan"));
    given->scores.push_back(Floats(layer.Get("scores")));
    if (given->tokens < 1 || given->heads < 1 ||
        given->scores.back().size() !=
            static_cast<size_t>(given->tokens) * static_cast<size_t>(given->heads))
      throw MakeError(info.Env(), "KV_INVALID_OPTION",
                      "Expected scores [heads, tokens] for each layer.");
  }
  return held.runtime().Run(info.Env(), [engine = held.Get(info.Env()), given]() -> Finish {
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
  const Handle<Engine>& held = EngineOf(info[0]);
  const Napi::Object from = info[1].As<Napi::Object>();
  const std::shared_ptr<Engine> engine = held.Get(info.Env());
  auto input = std::make_shared<LayerInput>(ReadLayerInput(from));
  input->score = ReadScore(from.Get("score"), engine->statistics, "score");
  if (Has(from, "protectLast")) input->protect_last = IntOf(from, "protectLast");
  return held.runtime().Run(info.Env(), [engine, input]() -> Finish {
    EngineLock lock(*engine);
    std::vector<float> out = ObserveLayer(engine, *input);
    lock.Finish();
    return [out = std::move(out)](Napi::Env env) { return FloatArray(env, out); };
  });
}

Napi::Value ExportTiles(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Context>& context = ContextOf(info[0]).Get(info.Env());
  const auto mark = MarkBusy(info.Env(), context, "context");
  const int layer = info[1].As<Napi::Number>().Int32Value(),
            head = info[2].As<Napi::Number>().Int32Value();
  if (layer < 0 || layer >= static_cast<int>(context->layer_count()) || head < 0 ||
      head >= context->layer(static_cast<size_t>(layer)).shape().stored_heads())
    throw MakeError(info.Env(), "KV_INVALID_OPTION", "There is no such layer or stored head.");
  EngineLock lock(*context->model().engine);
  return Guarded(info.Env(), [&] {
    return ExportObject(info.Env(), context->layer(static_cast<size_t>(layer)), head);
  });
}

void ScrambleTiles(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Context>& context = ContextOf(info[0]).Get(info.Env());
  const auto mark = MarkBusy(info.Env(), context, "context");
  EngineLock lock(*context->model().engine);
  const uint64_t seed = static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value());
  for (size_t l = 0; l < context->layer_count(); ++l) context->layer(l).Scramble(seed + l);
}

}  // namespace

Napi::Object DefineProbe(Napi::Env env) {
  Napi::Object probe = Napi::Object::New(env);
  probe.Set("createLayerCache", Napi::Function::New(env, CreateLayerCache));
  probe.Set("selectLayers", Napi::Function::New(env, SelectLayers));
  probe.Set("observe", Napi::Function::New(env, Observe));
  probe.Set("exportTiles", Napi::Function::New(env, ExportTiles));
  probe.Set("scrambleTiles", Napi::Function::New(env, ScrambleTiles));
  return probe;
}

}  // namespace qpkv
