// See read_score.h.
#include "binding/read_score.h"

#include <algorithm>
#include <cmath>

#include "binding/convert.h"
#include "binding/runtime.h"

namespace qpkv {
namespace {

constexpr int kMaxDepth = 32;

[[noreturn]] void Refuse(Napi::Env env, const std::string& message) {
  throw MakeError(env, "KV_UNSUPPORTED", message);
}

// A text or number as it stands in messages.
std::string Written(const Napi::Value& value) { return value.ToString().Utf8Value(); }

double ReadChoice(const Napi::Value& value, const OptionDescriptor& option,
                  const std::string& path) {
  const std::string text = Written(value);
  for (int i = 0; i < option.choice_count; ++i)
    if (text == option.choices[i]) return i;
  Refuse(value.Env(), path + " is '" + text + "'; this engine cannot run it.");
}

// 'all' or { last, before }.
void ReadQueries(const Napi::Value& value, const std::string& path, double* slots) {
  if (value.IsString() && Written(value) == "all") return;
  if (!value.IsObject()) Refuse(value.Env(), path + " must be 'all' or { last, before }.");
  const Napi::Object queries = value.As<Napi::Object>();
  slots[0] = IntOf(queries, "last");
  const std::string before = TextOf(queries, "before");
  if (before != "prompt-end" && before != "user-end")
    Refuse(value.Env(), path + ".before is '" + before + "'; this engine cannot run it.");
  slots[1] = before == "user-end";
}

void ReadOption(const Napi::Value& value, const OptionDescriptor& option, const std::string& path,
                double* slots) {
  switch (option.kind) {
    case OptionKind::kQueries:
      return ReadQueries(value, path, slots);
    case OptionKind::kChoice:
      slots[0] = ReadChoice(value, option, path);
      return;
    case OptionKind::kTruth:
      slots[0] = value.ToBoolean() ? 1 : 0;
      return;
    case OptionKind::kNumberOrAbove:
      slots[0] = value.IsString() ? std::nan("") : value.ToNumber().DoubleValue();
      return;
    case OptionKind::kNumber:
      slots[0] = value.ToNumber().DoubleValue();
      return;
  }
}

// Options that are left out take their default; unknown ones are refused.
void ReadOptions(const Napi::Object& from, const OptionDescriptor* options, int count,
                 const std::string& path, ScoreNode* node) {
  double* slots = node->options.data();
  uint32_t known = 0;
  for (int i = 0; i < count; slots += SlotsOf(options[i++])) {
    slots[0] = options[i].standard;
    if (!Has(from, options[i].name)) continue;
    ++known;
    ReadOption(from.Get(options[i].name), options[i], path + "." + options[i].name, slots);
  }
  const Napi::Array names = from.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = Written(names.Get(i));
    const bool own = name == "stat" || name == "op" || name == "of";
    const bool option = std::any_of(options, options + count,
                                    [&](const OptionDescriptor& it) { return name == it.name; });
    if (!own && !option && Has(from, name.c_str()))
      Refuse(from.Env(), path + "." + name + " is unknown to this engine.");
  }
}

const Statistic& StatisticNamed(Napi::Env env, const StatisticList& statistics,
                                const std::string& name, const std::string& path) {
  const Statistic* found = FindStatistic(statistics, name.c_str());
  if (found != nullptr) return *found;
  std::string names;
  for (int i = 0; i < statistics.count; ++i)
    names += (i > 0 ? ", " : "") + std::string(statistics.items[i].about->name);
  Refuse(env, path + " is '" + name + "'; this backend measures: " + names + ".");
}

std::shared_ptr<ScoreNode> ReadNode(const Napi::Value& value, const StatisticList& statistics,
                                    const std::string& path, int depth) {
  if (!value.IsObject() || depth > kMaxDepth)
    Refuse(value.Env(), path + " is no score that this engine can run.");
  const Napi::Object from = value.As<Napi::Object>();
  auto node = std::make_shared<ScoreNode>();
  if (Has(from, "stat")) {
    node->statistic = &StatisticNamed(from.Env(), statistics, TextOf(from, "stat"), path + ".stat");
    const StatisticDescriptor& about = *node->statistic->about;
    ReadOptions(from, about.options, about.option_count, path, node.get());
    return node;
  }
  const std::string name = TextOf(from, "op");
  const auto* end = std::end(kScoreOperations);
  const auto* found = std::find_if(std::begin(kScoreOperations), end,
                                   [&](const OperationDescriptor& it) { return name == it.name; });
  if (found == end) Refuse(from.Env(), path + ".op is '" + name + "'; this engine cannot run it.");
  node->op = static_cast<ScoreOp>(found - std::begin(kScoreOperations));
  const Napi::Array of = from.Get("of").As<Napi::Array>();
  if (!from.Get("of").IsArray() || of.Length() < static_cast<uint32_t>(found->fewest) ||
      of.Length() > static_cast<uint32_t>(found->most))
    Refuse(from.Env(), path + ".of has another number of nodes than '" + name + "' takes.");
  for (uint32_t i = 0; i < of.Length(); ++i)
    node->of.push_back(
        ReadNode(of.Get(i), statistics, path + ".of[" + std::to_string(i) + "]", depth + 1));
  ReadOptions(from, found->options, found->option_count, path, node.get());
  return node;
}

}  // namespace

std::shared_ptr<const ScoreNode> ReadScore(const Napi::Value& from, const StatisticList& statistics,
                                           const std::string& path) {
  return ReadNode(from, statistics, path, 0);
}

}  // namespace qpkv
