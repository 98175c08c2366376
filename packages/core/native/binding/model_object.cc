// NativeModel of addon.ts.
#include <algorithm>

#include "binding/convert.h"
#include "binding/objects.h"
#include "binding/read_plan.h"

namespace qpkv {
namespace {

PromptMemory ReadMemory(const Napi::Object& from, size_t plans) {
  PromptMemory memory;
  memory.scratch = BytesOf(from, "scratch");
  memory.work = BytesOf(from, "work");
  const Napi::Array contexts = from.Get("contexts").As<Napi::Array>();
  for (uint32_t i = 0; i < contexts.Length(); ++i)
    memory.contexts.push_back(ReadContextMemory(contexts.Get(i).As<Napi::Object>()));
  if (memory.contexts.size() != plans)
    throw MakeError(from.Env(), "KV_INVALID_OPTION",
                    "Expected the memory of one context per plan.");
  return memory;
}

// NativeReplay of addon.ts: parts of the prompt that the prefill repeats.
std::vector<Replay> ReadReplays(const Napi::Value& from, int tokens) {
  std::vector<Replay> replays;
  if (!from.IsArray()) return replays;
  const Napi::Array list = from.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Object one = list.Get(i).As<Napi::Object>();
    Replay replay{Ints(one.Get("ids")), IntOf(one, "from"), IntOf(one, "to")};
    const int rows = static_cast<int>(replay.ids.size());
    if (replay.from < 0 || replay.to <= replay.from || replay.to > tokens || rows < 1 ||
        rows > replay.to - replay.from + kMostReplayWords)
      throw MakeError(from.Env(), "KV_INVALID_OPTION",
                      "Expected replays of parts [from, to) of the prompt with at most " +
                          std::to_string(kMostReplayWords) + " tokens more than the part has.");
    replays.push_back(std::move(replay));
  }
  return replays;
}

class ModelObject : public Napi::ObjectWrap<ModelObject> {
 public:
  explicit ModelObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<ModelObject>(info), model_(info, "model") {}

  Napi::Value WeightBytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(model_.Get(info.Env())->weight_bytes));
  }

  Napi::Value Packed(const Napi::CallbackInfo& info) {
    constexpr const char* kNames[] = {"memory", "written", "mapped"};
    const Model& model = *model_.Get(info.Env());
    return Napi::String::New(info.Env(), kNames[static_cast<size_t>(model.packed)]);
  }

  Napi::Value PackedNote(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), model_.Get(info.Env())->packed_note);
  }

  Napi::Value StartPrefill(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    // A reference of its own: a getter of a plan could dispose of this object.
    const std::shared_ptr<Model> model = model_.Get(env);
    std::shared_ptr<Runtime> runtime = model_.shared_runtime();
    std::vector<int32_t> ids = Ints(info[0]);
    CheckIds(env, ids, model->description.vocab);
    std::vector<CompressionPlan> plans;
    const Napi::Array contexts = info[1].As<Napi::Array>();
    for (uint32_t i = 0; i < contexts.Length(); ++i)
      plans.push_back(ReadPlan(contexts.Get(i).As<Napi::Object>(), model->engine->statistics));
    const int expected = info[2].IsNumber() ? info[2].As<Napi::Number>().Int32Value() : 0;
    PromptMemory memory;
    if (info[3].IsObject()) memory = ReadMemory(info[3].As<Napi::Object>(), plans.size());
    std::vector<Replay> replays = ReadReplays(info[4], static_cast<int>(ids.size()));
    for (const Replay& replay : replays) CheckIds(env, replay.ids, model->description.vocab);
    return Guarded(env, [&] {
      auto prefill = std::make_shared<Prefill>(model, std::move(ids), std::move(plans), expected,
                                               std::move(memory), std::move(replays));
      return MakeObject(env, env.GetInstanceData<Instance>()->prefill, std::move(runtime),
                        std::move(prefill));
    });
  }

  Napi::Value StartOpening(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    // A reference of its own: a getter of the plan could dispose of this object.
    const std::shared_ptr<Model> model = model_.Get(env);
    std::shared_ptr<Runtime> runtime = model_.shared_runtime();
    CompressionPlan plan = ReadPlan(info[0].As<Napi::Object>(), model->engine->statistics);
    std::vector<int32_t> ids = Ints(info[1]);
    CheckIds(env, ids, model->description.vocab);
    const int expected = info[2].As<Napi::Number>().Int32Value();
    const ContextMemory memory = ReadContextMemory(info[3].As<Napi::Object>());
    return Guarded(env, [&] {
      auto opening =
          std::make_shared<Opening>(model, std::move(plan), std::move(ids), expected, memory);
      return MakeObject(env, env.GetInstanceData<Instance>()->opening, std::move(runtime),
                        std::move(opening));
    });
  }

  void SetMemoryLimit(const Napi::CallbackInfo& info) {
    const double bytes = info[0].As<Napi::Number>().DoubleValue();
    model_.Get(info.Env())
        ->memory->set_limit(bytes < double{1ull << 52} ? static_cast<size_t>(std::max(bytes, 0.0))
                                                       : SIZE_MAX);
  }

  Napi::Value Stats(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const int layers = model_.Get(env)->description.layers;
    const SchedulerStats stats = model_.runtime().scheduler().stats();
    Napi::Object to = Napi::Object::New(env);
    const auto set = [&](const char* name, double value) {
      to.Set(name, Napi::Number::New(env, value));
    };
    set("streams", static_cast<double>(stats.streams));
    set("prompts", static_cast<double>(stats.prompts));
    set("steps", static_cast<double>(stats.steps));
    set("stepTokens", static_cast<double>(stats.rows));
    set("promptTokens", static_cast<double>(stats.prompt_rows) / layers);
    set("batch", stats.batch);
    set("blocked", static_cast<double>(stats.blocked));
    set("grantedBytes", static_cast<double>(model_.Get(env)->memory->granted()));
    set("limitBytes", static_cast<double>(model_.Get(env)->memory->limit()));
    return to;
  }

  void Dispose(const Napi::CallbackInfo&) { model_.Drop(); }

 private:
  Handle<Model> model_;
};

}  // namespace

void CheckIds(Napi::Env env, const std::vector<int32_t>& ids, int vocab) {
  if (ids.empty()) throw MakeError(env, "KV_INVALID_OPTION", "Expected at least one token id.");
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= vocab)
      throw MakeError(env, "KV_INVALID_OPTION",
                      "Expected token ids from 0 to " + std::to_string(vocab - 1) + " but id " +
                          std::to_string(i) + " is " + std::to_string(ids[i]) + ".");
}

Napi::Function DefineModel(Napi::Env env) {
  return ModelObject::DefineClass(
      env, "NativeModel",
      {ModelObject::InstanceAccessor<&ModelObject::WeightBytes>("weightBytes"),
       ModelObject::InstanceAccessor<&ModelObject::Packed>("packed"),
       ModelObject::InstanceAccessor<&ModelObject::PackedNote>("packedNote"),
       ModelObject::InstanceMethod<&ModelObject::StartPrefill>("startPrefill"),
       ModelObject::InstanceMethod<&ModelObject::StartOpening>("startOpening"),
       ModelObject::InstanceMethod<&ModelObject::SetMemoryLimit>("setMemoryLimit"),
       ModelObject::InstanceMethod<&ModelObject::Stats>("stats"),
       ModelObject::InstanceMethod<&ModelObject::Dispose>("dispose")});
}

}  // namespace qpkv
