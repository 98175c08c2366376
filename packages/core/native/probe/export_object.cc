// See export_object.h.
#include "probe/export_object.h"

#include <cstring>

#include "binding/convert.h"
#include "engine/part_export.h"

namespace qpkv {
namespace {

Napi::Value PartObject(Napi::Env env, const PartExport& part) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("bits", part.bits);
  object.Set("tokens", part.tokens);
  object.Set("values", FloatArray(env, part.values));
  if (!part.stored.empty()) object.Set("stored", FloatArray(env, part.stored));
  if (part.bits != 16) {
    Napi::Uint8Array codes = Napi::Uint8Array::New(env, part.codes.size());
    std::memcpy(codes.Data(), part.codes.data(), part.codes.size());
    object.Set("codes", codes);
    object.Set("scales", FloatArray(env, part.scales));
    object.Set("offsets", FloatArray(env, part.offsets));
    if (!part.balance.empty()) object.Set("balance", FloatArray(env, part.balance));
  }
  if (!part.positions.empty()) object.Set("positions", IntArray(env, part.positions));
  return object;
}

Napi::Value PartArray(Napi::Env env, const std::vector<PartExport>& parts) {
  Napi::Array array = Napi::Array::New(env, parts.size());
  for (uint32_t i = 0; i < parts.size(); ++i) array.Set(i, PartObject(env, parts[i]));
  return array;
}

}  // namespace

Napi::Value ExportObject(Napi::Env env, const KvLayer& layer, int head) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("tokens", layer.store().tokens(head));
  object.Set("key", PartArray(env, layer.Export(head, Tensor::kKey)));
  object.Set("value", PartArray(env, layer.Export(head, Tensor::kValue)));
  return object;
}

}  // namespace qpkv
