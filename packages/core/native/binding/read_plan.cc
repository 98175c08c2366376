// See read_plan.h.
#include "binding/read_plan.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "binding/convert.h"
#include "binding/read_score.h"
#include "binding/runtime.h"

namespace qpkv {
namespace {

[[noreturn]] void Unsupported(Napi::Env env, const std::string& path, const std::string& value) {
  throw MakeError(env, "KV_UNSUPPORTED", path + " is '" + value + "'; this engine cannot run it.");
}

template <class T>
struct Choice {
  const char* name;
  T value;
};

// The value of a text field out of those the engine knows.
template <class T, size_t N>
T Choose(const Napi::Object& object, const char* field, const std::string& path,
         const Choice<T> (&choices)[N]) {
  const std::string text = TextOf(object, field);
  for (const Choice<T>& choice : choices)
    if (text == choice.name) return choice.value;
  Unsupported(object.Env(), path + "." + field, text);
}

void ReadSolver(const Napi::Object& from, const std::string& path, TensorFormat* format) {
  const Napi::Object solver = from.Get("solver").As<Napi::Object>();
  const std::string kind = TextOf(solver, "kind");
  if (kind == "min-max") {
    if (Has(solver, "least")) format->least = static_cast<float>(NumberOf(solver, "least"));
    return;
  }
  if (kind == "norm") {
    format->solver = solver.Get("keep").ToBoolean().Value() ? Solver::kKeepNorm : Solver::kNorm;
    format->spread = static_cast<float>(NumberOf(solver, "spread"));
    return;
  }
  if (kind != "proximal") Unsupported(from.Env(), path + ".solver", kind);
  const bool common = NumberOf(solver, "steps") == 20 && NumberOf(solver, "norm") == 0.7 &&
                      NumberOf(solver, "beta") == 10;
  const double growth = NumberOf(solver, "growth"), flat = NumberOf(solver, "flat");
  const bool limited = Has(solver, "limit") && NumberOf(solver, "limit") == 1e4;
  if (common && growth == 1.01 && limited && flat == 0)
    format->solver = Solver::kHqq022;
  else if (common && growth == 1 && !Has(solver, "limit") && flat == 1e-4)
    format->solver = Solver::kHqq028;
  else
    Unsupported(from.Env(), path + ".solver: numbers of", kind);
}

void ReadOutliers(const Napi::Object& from, const std::string& path, TensorFormat* format) {
  format->outlier_fraction = NumberOf(from, "outliers");
  if (!Has(from, "outlierRule")) return;
  const Napi::Object rule = from.Get("outlierRule").As<Napi::Object>();
  format->outlier_rule =
      Choose<OutlierRule>(rule, "kind", path + ".outlierRule", {{"beyond", OutlierRule::kBeyond}});
  format->outlier_threshold = NumberOf(rule, "threshold");
}

void ReadPacked(const Napi::Object& from, const std::string& path, StoredFormat* out) {
  TensorFormat& format = out->format;
  format.scale_per = Choose<ScalePer>(
      from, "scalePer", path, {{"channel", ScalePer::kChannel}, {"token", ScalePer::kToken}});
  format.group = IntOf(from, "group");
  format.metadata =
      Choose<Element>(from, "metadata", path, {{"f16", Element::kF16}, {"f32", Element::kF32}});
  format.zero = Choose<ZeroPoint>(from, "zero", path,
                                  {{"float-minimum", ZeroPoint::kFloatMinimum},
                                   {"integer", ZeroPoint::kInteger},
                                   {"in-scale", ZeroPoint::kInScale},
                                   {"none", ZeroPoint::kNone}});
  if (Has(from, "balance"))
    format.balance_steps = IntOf(from.Get("balance").As<Napi::Object>(), "steps");
  ReadOutliers(from, path, &format);
  ReadSolver(from, path, &format);
  if (from.Get("levels").IsString()) return;
  const Napi::Array book = from.Get("levels").As<Napi::Object>().Get("codebook").As<Napi::Array>();
  for (uint32_t i = 0; i < book.Length(); ++i)
    out->levels.push_back(book.Get(i).As<Napi::Number>().FloatValue());
  if (out->levels.size() != size_t{1} << format.bits)
    Unsupported(from.Env(), path + ".levels.codebook",
                std::to_string(out->levels.size()) + " levels");
  for (size_t i = 0; i < out->levels.size(); ++i)
    if (!(std::fabs(out->levels[i]) <= 1) || (i > 0 && out->levels[i] < out->levels[i - 1]))
      Unsupported(from.Env(), path + ".levels.codebook[" + std::to_string(i) + "]",
                  std::to_string(out->levels[i]));
}

void ReadFormat(const Napi::Object& from, const std::string& path, StoredFormat* out) {
  out->format.bits = IntOf(from, "bits");
  if (out->format.bits == 16)
    out->format.element =
        Choose<Element>(from, "element", path,
                        {{"bf16", Element::kBf16}, {"f16", Element::kF16}, {"f32", Element::kF32}});
  else
    ReadPacked(from, path, out);
}

SegmentPlan ReadSegment(const Napi::Object& from, const std::string& path) {
  SegmentPlan segment;
  segment.role =
      Choose<Role>(from, "role", path,
                   {{"sinks", Role::kSinks}, {"packed", Role::kPacked}, {"recent", Role::kRecent}});
  const Napi::Value tokens = from.Get("tokens");
  if (tokens.IsObject() && tokens.As<Napi::Object>().Has("counts")) {
    const Napi::Array counts = tokens.As<Napi::Object>().Get("counts").As<Napi::Array>();
    segment.counted = true;
    for (uint32_t i = 0; i < counts.Length(); ++i)
      segment.counts.push_back(counts.Get(i).As<Napi::Number>().Int32Value());
  } else if (tokens.IsObject()) {
    segment.share = NumberOf(tokens.As<Napi::Object>(), "share");
  } else if (!tokens.IsString()) {
    segment.tokens = IntOf(from, "tokens");
  }
  ReadFormat(from.Get("key").As<Napi::Object>(), path + ".key", &segment.key);
  ReadFormat(from.Get("value").As<Napi::Object>(), path + ".value", &segment.value);
  return segment;
}

// Plain arrays of numbers.
std::vector<int32_t> Ints32(const Napi::Array& from) {
  std::vector<int32_t> all;
  for (uint32_t i = 0; i < from.Length(); ++i)
    all.push_back(from.Get(i).As<Napi::Number>().Int32Value());
  return all;
}

HeadSharing ReadSharing(const Napi::Object& tokens, const std::string& path) {
  HeadSharing sharing;
  const int pool = Choose<int>(tokens, "pool", path, {{"head", 0}, {"layer", 1}, {"model", 2}});
  sharing.shared = pool > 0;
  sharing.over_layers = pool == 2;
  if (!sharing.shared) return sharing;
  if (Has(tokens, "guard"))
    sharing.floor_least = Choose<bool>(tokens, "guard", path, {{"least", true}});
  sharing.floor = tokens.Get("floor").ToNumber().DoubleValue();
  if (Has(tokens, "weigh"))
    sharing.weigh_top_share = Choose<bool>(tokens, "weigh", path, {{"top-share", true}});
  if (Has(tokens, "rounding"))
    sharing.round_each = Choose<bool>(tokens, "rounding", path, {{"each", true}});
  return sharing;
}

void ReadTokens(const Napi::Object& from, const std::string& path, LayerPlan* plan) {
  plan->sharing = ReadSharing(from, path);
  if (from.Get("perHead").IsArray()) {
    plan->per_heads = Ints32(from.Get("perHead").As<Napi::Array>());
    plan->per_head = *std::max_element(plan->per_heads.begin(), plan->per_heads.end());
    if (plan->sharing.shared && !plan->sharing.over_layers)
      Unsupported(from.Env(), path + ".pool beside perHead as a list", "layer");
  } else {
    plan->per_head = IntOf(from, "perHead");
  }
  plan->capacity = Has(from, "capacity") ? IntOf(from, "capacity") : plan->per_head;
}

StoredForm ReadStoredForm(const Napi::Object& from, const std::string& path) {
  StoredForm form = Choose<StoredForm>(from, "transform", path,
                                       {{"none", {}},
                                        {"hadamard", {false, true, {}}},
                                        {"center", {true, false, {}}},
                                        {"center-hadamard", {true, true, {}}}});
  if (!Has(from, "signs")) return form;
  const Napi::Array signs = from.Get("signs").As<Napi::Array>();
  for (uint32_t i = 0; i < signs.Length(); ++i)
    form.signs.push_back(signs.Get(i).As<Napi::Number>().FloatValue());
  return form;
}

void ReadSegments(const Napi::Object& from, const std::string& path, LayerPlan* plan) {
  const Napi::Array segments = from.Get("segments").As<Napi::Array>();
  for (uint32_t i = 0; i < segments.Length(); ++i) {
    plan->segments.push_back(ReadSegment(segments.Get(i).As<Napi::Object>(),
                                         path + ".segments[" + std::to_string(i) + "]"));
  }
  const Napi::Object keys = from.Get("keys").As<Napi::Object>();
  plan->keys = ReadStoredForm(keys, path + ".keys");
  plan->values = ReadStoredForm(from.Get("values").As<Napi::Object>(), path + ".values");
  if (plan->values.center)
    Unsupported(from.Env(), path + ".values.transform",
                TextOf(from.Get("values").As<Napi::Object>(), "transform"));
  const bool before =
      Choose<bool>(keys, "rope", path + ".keys", {{"after", false}, {"before", true}});
  for (SegmentPlan& segment : plan->segments) {
    segment.key.format.rope_before = before;
    for (StoredFormat* stored : {&segment.key, &segment.value})
      if (!stored->levels.empty()) stored->format.levels = stored->levels.data();
  }
}

Residual ReadResidual(const Napi::Object& from, const std::string& path) {
  const Napi::Object residual = from.Get("residual").As<Napi::Object>();
  const std::string keys = TextOf(residual, "keys"), values = TextOf(residual, "values");
  if (keys == "group" && values == "group") return Residual::kUnified;
  if (keys == "block" && values == "token") return Residual::kKivi;
  if (keys == "never" && values == "never") return Residual::kNever;
  Unsupported(from.Env(), path + ".residual", keys + " and " + values);
}

// What to measure and how to choose by it.
void ReadStages(const Napi::Object& from, const StatisticList& statistics, const std::string& path,
                LayerPlan* plan) {
  const Napi::Array stages = from.Get("stages").As<Napi::Array>();
  if (stages.Length() > kMaxStages)
    Unsupported(from.Env(), path + ".stages: more of them than 4", std::to_string(stages.Length()));
  for (uint32_t i = 0; i < stages.Length(); ++i) {
    const Napi::Object stage = stages.Get(i).As<Napi::Object>();
    const std::string at = path + ".stages[" + std::to_string(i) + "]";
    ScoreStage read = {ReadScore(stage.Get("score"), statistics, at + ".score"),
                       NumberOf(stage, "share")};
    if (Has(stage, "of")) read.of_kept = Choose<bool>(stage, "of", at, {{"kept", true}});
    plan->stages.push_back(std::move(read));
  }
}

void ReadEviction(const Napi::Object& from, const StatisticList& statistics,
                  const std::string& path, LayerPlan* plan) {
  if (from.Get("evict").IsObject()) {
    const Napi::Object evict = from.Get("evict").As<Napi::Object>();
    plan->evict = Evict::kLowestScore;
    plan->evict_score = ReadScore(evict.Get("by"), statistics, path + ".evict.by");
    plan->capacity = IntOf(evict, "capacity");
    if (IntOf(evict, "every") != 1)
      Unsupported(from.Env(), path + ".evict.every", std::to_string(IntOf(evict, "every")));
  } else {
    plan->evict =
        Choose<Evict>(from, "evict", path, {{"never", Evict::kNever}, {"fifo", Evict::kFifo}});
  }
  plan->running_sum = plan->evict_score != nullptr && SumsQueryHeads(*plan->evict_score);
}

void ReadProtection(const Napi::Object& from, LayerPlan* plan) {
  plan->protect_first = IntOf(from, "first");
  plan->protect_last = IntOf(from, "last");
  if (Has(from, "positions"))
    plan->protect_positions = Ints32(from.Get("positions").As<Napi::Array>());
}

// What the engine cannot run together.
void CheckTogether(Napi::Env env, const std::string& path, const LayerPlan& plan) {
  const bool uneven = plan.sharing.shared || !plan.per_heads.empty();
  if (uneven && (plan.evict != Evict::kNever || plan.cache_positions))
    Unsupported(env, path + ".tokens.pool beside eviction or cache positions", "layer");
  if (plan.Tiers() > 1 && (plan.order_by_score || plan.residual == Residual::kKivi))
    Unsupported(env, path + ".segments beside order by score or keys that leave by blocks",
                "tiers");
  if (plan.cache_positions && !plan.RopeBefore())
    Unsupported(env, path + ".positions beside keys stored after RoPE", "cache");
}

}  // namespace

std::shared_ptr<const LayerPlan> ReadLayerPlan(const Napi::Object& from,
                                               const StatisticList& statistics,
                                               const std::string& path) {
  auto plan = std::make_shared<LayerPlan>();
  ReadTokens(from.Get("tokens").As<Napi::Object>(), path + ".tokens", plan.get());
  ReadSegments(from, path, plan.get());
  plan->residual = ReadResidual(from, path);
  ReadStages(from, statistics, path, plan.get());
  if (Has(from, "whole")) plan->whole = IntOf(from, "whole");
  ReadProtection(from.Get("protect").As<Napi::Object>(), plan.get());
  plan->order_by_score = Choose<bool>(from, "order", path, {{"position", false}, {"score", true}});
  ReadEviction(from, statistics, path, plan.get());
  plan->cache_positions = Choose<bool>(from, "positions", path, {{"true", false}, {"cache", true}});
  CheckTogether(from.Env(), path, *plan);
  return plan;
}

CompressionPlan ReadPlan(const Napi::Object& from, const StatisticList& statistics) {
  CompressionPlan plan;
  plan.query_heads = Choose<bool>(from, "heads", "plan", {{"kv", false}, {"query", true}});
  if (Has(from, "userEnd")) plan.user_end = IntOf(from, "userEnd");
  const Napi::Array layers = from.Get("layers").As<Napi::Array>();
  for (uint32_t i = 0; i < layers.Length(); ++i)
    plan.layers.push_back(ReadLayerPlan(layers.Get(i).As<Napi::Object>(), statistics,
                                        "layers[" + std::to_string(i) + "]"));
  return plan;
}

}  // namespace qpkv
