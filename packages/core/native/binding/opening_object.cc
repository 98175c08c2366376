// NativeOpening of addon.ts.
#include <cstring>

#include "binding/convert.h"
#include "binding/objects.h"

namespace qpkv {
namespace {

class OpeningObject : public Napi::ObjectWrap<OpeningObject> {
 public:
  explicit OpeningObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<OpeningObject>(info), opening_(info, "opening") {}

  Napi::Value AddLayer(const Napi::CallbackInfo& info) {
    return Enqueue(info, [bytes = Bytes(info[0])](Opening& opening) -> Finish {
      std::vector<std::vector<int32_t>> kept = opening.AddLayer(bytes);
      return [kept = std::move(kept)](Napi::Env env) { return KeptArrays(env, kept); };
    });
  }

  Napi::Value Finish_(const Napi::CallbackInfo& info) {
    const std::vector<uint8_t> words = Bytes(info[1]);
    Xoshiro256::State state;
    if (words.size() != sizeof(state))
      throw MakeError(info.Env(), "KV_INVALID_OPTION", "Expected 32 bytes of random state.");
    std::memcpy(state.data(), words.data(), sizeof(state));
    Xoshiro256 random(0);
    random.set_state(state);
    return Enqueue(info,
                   [logits = Floats(info[0]), random,
                    runtime = opening_.shared_runtime().get()](Opening& opening) -> Finish {
                     std::shared_ptr<Context> context = opening.Finish(logits, random);
                     return [context = std::move(context), runtime](Napi::Env env) -> Napi::Value {
                       return MakeObject(env, env.GetInstanceData<Instance>()->context,
                                         runtime->shared_from_this(), context);
                     };
                   });
  }

  void Abort(const Napi::CallbackInfo&) {
    if (opening_.get() == nullptr) return;
    opening_.get()->abort.store(true);
    opening_.runtime().scheduler().Wake();
  }
  void Dispose(const Napi::CallbackInfo&) {
    const std::shared_ptr<Runtime> runtime = opening_.shared_runtime();
    opening_.Drop();
    if (runtime != nullptr) runtime->scheduler().Wake();  // others may wait for its memory
  }

 private:
  Napi::Value Enqueue(const Napi::CallbackInfo& info, std::function<Finish(Opening&)> run) {
    const std::shared_ptr<Opening> opening = opening_.Get(info.Env());
    return opening_.runtime().Run(
        info.Env(), opening, [opening, run = std::move(run)] { return run(*opening); },
        MarkBusy(info.Env(), opening, "opening"));
  }

  Handle<Opening> opening_;
};

}  // namespace

Napi::Function DefineOpening(Napi::Env env) {
  return OpeningObject::DefineClass(
      env, "NativeOpening",
      {OpeningObject::InstanceMethod<&OpeningObject::AddLayer>("addLayer"),
       OpeningObject::InstanceMethod<&OpeningObject::Finish_>("finish"),
       OpeningObject::InstanceMethod<&OpeningObject::Abort>("abort"),
       OpeningObject::InstanceMethod<&OpeningObject::Dispose>("dispose")});
}

}  // namespace qpkv
