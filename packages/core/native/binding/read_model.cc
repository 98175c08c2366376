// See read_model.h.
#include "binding/read_model.h"

#include <iterator>

#include "binding/convert.h"

namespace qpkv {
namespace {

// Names as TypeScript writes them; false for exact elements.
bool BlockTypeOf(const std::string& name, BlockType* type) {
  const char* const names[] = {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q4_k", "q5_k", "q6_k"};
  for (size_t i = 0; i < std::size(names); ++i)
    if (name == names[i]) {
      *type = static_cast<BlockType>(i);
      return true;
    }
  return false;
}

TensorSource ReadTensor(const Napi::Object& from) {
  TensorSource tensor;
  tensor.file = IntOf(from, "file");
  tensor.offset = static_cast<size_t>(NumberOf(from, "offset"));
  const std::string stored = TextOf(from, "element");
  tensor.in_blocks = BlockTypeOf(stored, &tensor.block);
  if (!tensor.in_blocks) tensor.element = ElementOf(stored);
  if (Has(from, "pairedRows")) tensor.paired_rows = IntOf(from, "pairedRows");
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
