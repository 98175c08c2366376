// See read_model.h.
#include "binding/read_model.h"

#include <iterator>

#include "binding/convert.h"

namespace qpkv {

bool BlockTypeOf(const std::string& name, BlockType* type) {
  const char* const names[] = {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q4_k", "q5_k", "q6_k"};
  for (size_t i = 0; i < std::size(names); ++i)
    if (name == names[i]) {
      *type = static_cast<BlockType>(i);
      return true;
    }
  return false;
}

namespace {

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

WeightFormat ReadFormat(const Napi::Object& from) {
  if (Has(from, "element")) return ExactWeights(ElementOf(TextOf(from, "element")));
  const std::string minimum = TextOf(from, "minimum");
  WeightFormat format;
  format.bits = IntOf(from, "bits");
  format.group = IntOf(from, "group");
  format.scale = ElementOf(TextOf(from, "scale"));
  format.minimum = minimum == "f16"   ? WeightMinimum::kF16
                   : minimum == "f32" ? WeightMinimum::kF32
                                      : WeightMinimum::kNone;
  return format;
}

RopeDescription ReadRope(const Napi::Object& from) {
  RopeDescription rope;
  rope.inv_freq = Floats(from.Get("inverse"));
  rope.scale = static_cast<float>(NumberOf(from, "scale"));
  if (!from.Has("long")) return rope;
  const Napi::Object longer = from.Get("long").As<Napi::Object>();
  rope.long_inv_freq = Floats(longer.Get("inverse"));
  rope.long_scale = static_cast<float>(NumberOf(longer, "scale"));
  rope.switch_tokens = IntOf(longer, "beyond");
  return rope;
}

BlockDescription ReadBlock(const Napi::Object& from) {
  BlockDescription block;
  const auto number = [&](const char* name) { return static_cast<float>(NumberOf(from, name)); };
  block.activation =
      TextOf(from, "activation") == "gelu-tanh" ? Activation::kGeluTanh : Activation::kSilu;
  block.norm_offset = number("normOffset");
  block.norm_whole_rows = from.Get("normWholeRows").ToBoolean();
  block.embedding_scale = number("embeddingScale");
  block.attention_scale = number("attentionScale");
  block.attention_cap = number("attentionCap");
  block.residual_scale = number("residualScale");
  block.logit_scale = number("logitScale");
  block.logit_cap = number("logitCap");
  if (!from.Get("experts").IsObject()) return block;
  const Napi::Object experts = from.Get("experts").As<Napi::Object>();
  block.experts.count = IntOf(experts, "count");
  block.experts.chosen = IntOf(experts, "chosen");
  block.experts.intermediate = IntOf(experts, "intermediateSize");
  block.experts.normalize = experts.Get("normalize").ToBoolean();
  return block;
}

}  // namespace

std::shared_ptr<PackedLocation> ReadPackedLocation(const Napi::Object& from) {
  if (!Has(from, "packed")) return nullptr;
  const Napi::Object packed = from.Get("packed").As<Napi::Object>();
  auto location = std::make_shared<PackedLocation>();
  location->path = TextOf(packed, "path");
  location->info = TextOf(packed, "info");
  location->bytes = static_cast<size_t>(NumberOf(packed, "bytes"));
  return location;
}

ModelDescription ReadModel(const Napi::Object& from) {
  ModelDescription d;
  const Napi::Array files = from.Get("files").As<Napi::Array>();
  for (uint32_t i = 0; i < files.Length(); ++i)
    d.files.push_back(files.Get(i).As<Napi::String>().Utf8Value());
  const std::string precision = TextOf(from, "precision");
  d.matmul = precision == "bf16-fast" ? Products::kShort
             : precision == "f32"     ? Products::kFloat
                                      : Products::kWords;
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
  d.block = ReadBlock(from.Get("block").As<Napi::Object>());
  const Napi::Array ropes = from.Get("ropes").As<Napi::Array>();
  for (uint32_t i = 0; i < ropes.Length(); ++i)
    d.ropes.push_back(ReadRope(ropes.Get(i).As<Napi::Object>()));
  const Napi::Array window = from.Get("slidingWindow").As<Napi::Array>();
  const Napi::Array rope = from.Get("layerRope").As<Napi::Array>();
  for (int i = 0; i < d.layers; ++i)
    d.layer.push_back({window.Get(i).As<Napi::Number>().Int32Value(),
                       rope.Get(i).As<Napi::Number>().Int32Value()});
  const Napi::Object tensors = from.Get("tensors").As<Napi::Object>();
  const Napi::Array roles = tensors.GetPropertyNames();
  for (uint32_t i = 0; i < roles.Length(); ++i) {
    const std::string role = roles.Get(i).As<Napi::String>().Utf8Value();
    const Napi::Value tensor = tensors.Get(role);
    if (tensor.IsObject()) d.tensors[role] = ReadTensor(tensor.As<Napi::Object>());
  }
  const Napi::Object formats = from.Get("formats").As<Napi::Object>();
  const Napi::Array matrices = formats.GetPropertyNames();
  for (uint32_t i = 0; i < matrices.Length(); ++i) {
    const std::string role = matrices.Get(i).As<Napi::String>().Utf8Value();
    d.formats[role] = ReadFormat(formats.Get(role).As<Napi::Object>());
  }
  return d;
}

}  // namespace qpkv
