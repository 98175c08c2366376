// See read_model.h.
#include "binding/read_model.h"

#include "binding/convert.h"

namespace qpkv {
namespace {

TensorSource ReadTensor(const Napi::Object& from) {
  TensorSource tensor;
  tensor.file = IntOf(from, "file");
  tensor.offset = static_cast<size_t>(NumberOf(from, "offset"));
  tensor.element = ElementOf(TextOf(from, "element"));
  const Napi::Array shape = from.Get("shape").As<Napi::Array>();
  for (uint32_t i = 0; i < shape.Length(); ++i)
    tensor.shape.push_back(shape.Get(i).As<Napi::Number>().Int32Value());
  return tensor;
}

}  // namespace

ModelDescription ReadModel(const Napi::Object& from) {
  ModelDescription d;
  const Napi::Array files = from.Get("files").As<Napi::Array>();
  for (uint32_t i = 0; i < files.Length(); ++i)
    d.files.push_back(files.Get(i).As<Napi::String>().Utf8Value());
  const std::string precision = TextOf(from, "precision");
  d.products = precision == "bf16-fast" ? Precision::kBf16 : Precision::kF32;
  d.decode = precision == "f32" ? Precision::kF32 : Precision::kBf16;
  d.layers = IntOf(from, "layers");
  d.hidden = IntOf(from, "hiddenSize");
  d.intermediate = IntOf(from, "intermediateSize");
  d.query_heads = IntOf(from, "queryHeads");
  d.kv_heads = IntOf(from, "kvHeads");
  d.head_dim = IntOf(from, "headDim");
  d.vocab = IntOf(from, "vocabSize");
  d.rms_epsilon = static_cast<float>(NumberOf(from, "rmsEpsilon"));
  d.inv_freq = Floats(from.Get("ropeInvFreq"));
  d.rope_scale = static_cast<float>(NumberOf(from, "ropeScale"));
  const Napi::Array window = from.Get("slidingWindow").As<Napi::Array>();
  for (uint32_t i = 0; i < window.Length(); ++i)
    d.window.push_back(window.Get(i).As<Napi::Number>().Int32Value());
  d.window.resize(static_cast<size_t>(d.layers), 0);
  const Napi::Object tensors = from.Get("tensors").As<Napi::Object>();
  const Napi::Array roles = tensors.GetPropertyNames();
  for (uint32_t i = 0; i < roles.Length(); ++i) {
    const std::string role = roles.Get(i).As<Napi::String>().Utf8Value();
    const Napi::Value tensor = tensors.Get(role);
    if (tensor.IsObject()) d.tensors[role] = ReadTensor(tensor.As<Napi::Object>());
  }
  return d;
}

}  // namespace qpkv
