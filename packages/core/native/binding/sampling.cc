// See sampling.h.
#include "binding/sampling.h"

#include <algorithm>

#include "binding/convert.h"
#include "binding/runtime.h"

namespace qpkv {

Sampling ReadSampling(const Napi::Object& from, int vocab) {
  Sampling sampling;
  sampling.temperature = NumberOf(from, "temperature");
  sampling.top_k = IntOf(from, "topK");
  sampling.top_p = NumberOf(from, "topP");
  sampling.min_p = NumberOf(from, "minP");
  sampling.repetition_penalty = NumberOf(from, "repetitionPenalty");
  if (Has(from, "presencePenalty")) sampling.presence_penalty = NumberOf(from, "presencePenalty");
  if (Has(from, "frequencyPenalty"))
    sampling.frequency_penalty = NumberOf(from, "frequencyPenalty");
  if (Has(from, "logprobs")) sampling.logprobs = IntOf(from, "logprobs");
  if (Has(from, "biasIds")) {
    sampling.bias_ids = Ints(from.Get("biasIds"));
    sampling.bias = Floats(from.Get("bias"));
    if (sampling.bias.size() != sampling.bias_ids.size())
      throw MakeError(from.Env(), "KV_INVALID_OPTION", "Expected one bias per token id.");
    for (int32_t id : sampling.bias_ids)
      if (id < 0 || id >= vocab)
        throw MakeError(from.Env(), "KV_INVALID_OPTION",
                        "A bias is for a token beyond the vocabulary.");
  }
  if (Has(from, "allowed")) {
    const std::vector<int32_t> words = Ints(from.Get("allowed"));
    if (words.size() != (static_cast<size_t>(vocab) + 31) / 32)
      throw MakeError(from.Env(), "KV_INVALID_OPTION", "Expected one bit of the mask per token.");
    sampling.allowed.assign(words.begin(), words.end());
  }
  return sampling;
}

Napi::Value TokenObject(Napi::Env env, const SampledToken& token, int logprobs) {
  Napi::Object object = Napi::Object::New(env);
  object["id"] = Napi::Number::New(env, token.id);
  if (logprobs < 0) return object;
  const int count = std::min(logprobs, kMostLogprobs);
  object["logprob"] = Napi::Number::New(env, token.logprob);
  object["likeliest"] = IntArray(env, {token.likeliest, token.likeliest + count});
  object["logprobs"] = FloatArray(env, {token.logprobs, token.logprobs + count});
  return object;
}

}  // namespace qpkv
