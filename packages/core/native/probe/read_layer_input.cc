// See read_layer_input.h.
#include "probe/read_layer_input.h"

#include "binding/runtime.h"

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

}  // namespace

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

}  // namespace qpkv
