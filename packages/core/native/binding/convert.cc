// See convert.h.
#include "binding/convert.h"

#include <algorithm>
#include <cstring>

#include "binding/runtime.h"

namespace qpkv {

Napi::Value FloatArray(Napi::Env env, const std::vector<float>& values) {
  Napi::Float32Array array = Napi::Float32Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(float));
  return array;
}

Napi::Value IntArray(Napi::Env env, const std::vector<int32_t>& values) {
  Napi::Int32Array array = Napi::Int32Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(int32_t));
  return array;
}

Napi::Value ByteArray(Napi::Env env, const std::vector<uint8_t>& values) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size());
  return array;
}

Napi::Value KeptArrays(Napi::Env env, const std::vector<std::vector<int32_t>>& kept) {
  Napi::Array all = Napi::Array::New(env, kept.size());
  for (uint32_t i = 0; i < kept.size(); ++i) all.Set(i, IntArray(env, kept[i]));
  return all;
}

Napi::Value BytesObject(Napi::Env env, const PartBytes& bytes) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("planned", Napi::Number::New(env, static_cast<double>(bytes.planned)));
  object.Set("grown", Napi::Number::New(env, static_cast<double>(bytes.grown)));
  object.Set("unused", Napi::Number::New(env, static_cast<double>(bytes.unused)));
  return object;
}

namespace {

// A copy of a typed array. As() does not look at the type: an array of bytes would be read beyond
// its end.
template <class T>
std::vector<T> Copied(const Napi::Value& value, napi_typedarray_type type, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
    throw MakeError(value.Env(), "KV_INVALID_OPTION", std::string("Expected ") + name + ".");
  const auto array = value.As<Napi::TypedArrayOf<T>>();
  return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}

}  // namespace

std::vector<float> Floats(const Napi::Value& value) {
  return Copied<float>(value, napi_float32_array, "a Float32Array");
}

std::vector<int32_t> Ints(const Napi::Value& value) {
  return Copied<int32_t>(value, napi_int32_array, "an Int32Array");
}

std::vector<uint8_t> Bytes(const Napi::Value& value) {
  return Copied<uint8_t>(value, napi_uint8_array, "a Uint8Array");
}

int IntOf(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber())
    throw MakeError(object.Env(), "KV_INVALID_OPTION",
                    std::string("Expected a number for ") + name + ".");
  return value.As<Napi::Number>().Int32Value();
}

double NumberOf(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber())
    throw MakeError(object.Env(), "KV_INVALID_OPTION",
                    std::string("Expected a number for ") + name + ".");
  return value.As<Napi::Number>().DoubleValue();
}

std::string TextOf(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsString())
    throw MakeError(object.Env(), "KV_INVALID_OPTION",
                    std::string("Expected a text for ") + name + ".");
  return value.As<Napi::String>().Utf8Value();
}

bool Has(const Napi::Object& object, const char* name) { return !object.Get(name).IsUndefined(); }

Element ElementOf(const std::string& name) {
  if (name == "f32") return Element::kF32;
  return name == "f16" ? Element::kF16 : Element::kBf16;
}

Precision PrecisionOf(const Napi::Object& object) {
  return TextOf(object, "precision") == "f32" ? Precision::kF32 : Precision::kBf16;
}

size_t BytesOf(const Napi::Object& from, const char* name) {
  const double bytes = NumberOf(from, name);
  return bytes > 0 ? static_cast<size_t>(std::min(bytes, double{1ull << 52})) : 0;
}

ContextMemory ReadContextMemory(const Napi::Object& from) {
  return {BytesOf(from, "cache"), BytesOf(from, "perToken"), IntOf(from, "growthTokens")};
}

}  // namespace qpkv
