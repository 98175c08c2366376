// Reads a JavaScript object into a struct of engine/plan_types.h by its Fields: numbers, names,
// lists, optional fields and unions. What does not fit is refused with KV_UNSUPPORTED, naming the
// field, and so is a field that the struct does not have.
#pragma once
#include <napi.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "binding/read_score.h"
#include "binding/runtime.h"

namespace qpkv {

[[noreturn]] void RefuseField(const Napi::Value& value, const std::string& path);
[[noreturn]] void RefuseUnknown(Napi::Env env, const std::string& path);

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

// Whether an object has what a struct cannot do without: its fields, and the right value in those
// of one possible value, such as `kind`.
struct RequiredFields {
  const Napi::Object& object;
  bool fit = true;

  template <class T>
  void operator()(const char* name, T&) {
    fit &= IsOptional<T>::value || !object.Get(name).IsUndefined();
  }
  void Literal(const char* name, double value) {
    const Napi::Value given = object.Get(name);
    fit &= given.IsNumber() && given.As<Napi::Number>().DoubleValue() == value;
  }
  void Literal(const char* name, const char* value) {
    const Napi::Value given = object.Get(name);
    fit &= given.IsString() && given.As<Napi::String>().Utf8Value() == value;
  }
};

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

// Which alternative of a union a value is.
template <class T>
bool Fits(const Napi::Value& value) {
  if constexpr (std::is_enum_v<T>) {
    return value.IsString();
  } else if constexpr (std::is_arithmetic_v<T>) {
    return value.IsNumber();
  } else if constexpr (IsVector<T>::value) {
    return value.IsArray();
  } else {
    if (!value.IsObject() || value.IsArray()) return false;
    const Napi::Object object = value.As<Napi::Object>();
    RequiredFields fields{object};
    T unused;
    Fields(fields, unused);
    return fields.fit;
  }
}

class FieldReader {
 public:
  FieldReader(Napi::Object from, std::string path, const StatisticList& statistics)
      : from_(from), path_(std::move(path)), statistics_(statistics) {}

  template <class T>
  void operator()(const char* name, T& to) {
    known_.push_back(name);
    Read(from_.Get(name), path_ + "." + name, to);
  }
  template <class T>
  void Literal(const char* name, T value) {
    known_.push_back(name);
    RequiredFields fields{from_};
    fields.Literal(name, value);
    if (!fields.fit) RefuseField(from_.Get(name), path_ + "." + name);
  }
  void RefuseOthers() const {
    const Napi::Array names = from_.GetPropertyNames();
    for (uint32_t i = 0; i < names.Length(); ++i) {
      const std::string name = names.Get(i).ToString();
      const Napi::Value value = from_.Get(name);
      if (!value.IsUndefined() && std::find(known_.begin(), known_.end(), name) == known_.end())
        RefuseUnknown(from_.Env(), path_ + "." + name);
    }
  }

 private:
  void Read(const Napi::Value& value, const std::string& path, int& to) {
    double whole = 0;
    Read(value, path, whole);
    to = static_cast<int>(whole);
    if (to != whole) RefuseField(value, path);
  }
  void Read(const Napi::Value& value, const std::string& path, double& to) {
    if (!value.IsNumber()) RefuseField(value, path);
    to = value.As<Napi::Number>().DoubleValue();
    if (!(std::fabs(to) < 1e300)) RefuseField(value, path);
  }
  void Read(const Napi::Value& value, const std::string& path, bool& to) {
    if (!value.IsBoolean()) RefuseField(value, path);
    to = value.As<Napi::Boolean>();
  }
  void Read(const Napi::Value& value, const std::string& path, std::string& to) {
    if (!value.IsString()) RefuseField(value, path);
    to = value.As<Napi::String>().Utf8Value();
  }
  void Read(const Napi::Value& value, const std::string& path,
            std::shared_ptr<const ScoreNode>& to) {
    to = ReadScore(value, statistics_, path);
  }
  template <class T>
  void Read(const Napi::Value& value, const std::string& path, std::optional<T>& to) {
    if (!value.IsUndefined()) Read(value, path, to.emplace());
  }
  template <class T>
  void Read(const Napi::Value& value, const std::string& path, std::vector<T>& to) {
    if (!value.IsArray()) RefuseField(value, path);
    const Napi::Array list = value.As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); ++i)
      Read(list.Get(i), path + "[" + std::to_string(i) + "]", to.emplace_back());
  }
  // The first alternative that fits.
  template <class... T>
  void Read(const Napi::Value& value, const std::string& path, std::variant<T...>& to) {
    const bool read =
        ((Fits<T>(value) && (Read(value, path, to.template emplace<T>()), true)) || ...);
    if (!read) RefuseField(value, path);
  }
  // A name of an enumeration, or a struct.
  template <class T>
  void Read(const Napi::Value& value, const std::string& path, T& to) {
    if constexpr (std::is_enum_v<T>) {
      if (!value.IsString()) RefuseField(value, path);
      const std::string text = value.As<Napi::String>();
      const auto names = NamesOf(to);
      const auto* found = std::find(names.begin(), names.end(), text);
      if (found == names.end()) RefuseField(value, path);
      to = static_cast<T>(found - names.begin());
    } else {
      if (!value.IsObject()) RefuseField(value, path);
      FieldReader fields(value.As<Napi::Object>(), path, statistics_);
      Fields(fields, to);
      fields.RefuseOthers();
    }
  }

  Napi::Object from_;
  const std::string path_;
  const StatisticList& statistics_;
  std::vector<std::string> known_;
};

// A struct of the plan from an object; path: what messages call it.
template <class T>
void ReadFields(const Napi::Object& from, const std::string& path, const StatisticList& statistics,
                T* to) {
  FieldReader fields(from, path, statistics);
  Fields(fields, *to);
  fields.RefuseOthers();
}

}  // namespace qpkv
