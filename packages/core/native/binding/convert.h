// Between JavaScript values and plain C++ ones. Typed arrays are allocated by JavaScript and filled
// here.
#pragma once
#include <napi.h>

#include <string>
#include <vector>

#include "engine/kv_layer.h"
#include "engine/memory_ledger.h"

namespace qpkv {

Napi::Value FloatArray(Napi::Env env, const std::vector<float>& values);
Napi::Value IntArray(Napi::Env env, const std::vector<int32_t>& values);
Napi::Value ByteArray(Napi::Env env, const std::vector<uint8_t>& values);
Napi::Value KeptArrays(Napi::Env env, const std::vector<std::vector<int32_t>>& kept);
Napi::Value BytesObject(Napi::Env env, const PartBytes& bytes);

std::vector<float> Floats(const Napi::Value& value);
std::vector<int32_t> Ints(const Napi::Value& value);
std::vector<uint8_t> Bytes(const Napi::Value& value);

int IntOf(const Napi::Object& object, const char* name);
double NumberOf(const Napi::Object& object, const char* name);
// At least 0.
size_t BytesOf(const Napi::Object& object, const char* name);
std::string TextOf(const Napi::Object& object, const char* name);
bool Has(const Napi::Object& object, const char* name);  // and not undefined
Element ElementOf(const std::string& name);
Precision PrecisionOf(const Napi::Object& object);
// NativeContextMemory of addon.ts.
ContextMemory ReadContextMemory(const Napi::Object& from);

}  // namespace qpkv
