// See read_plan.h.
#include "binding/read_plan.h"

#include <cmath>
#include <string>

#include "binding/async.h"
#include "binding/convert.h"

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
  if (kind == "min-max") return;
  if (kind != "hqq") Unsupported(from.Env(), path + ".solver", kind);
  format->solver = TextOf(solver, "version") == "0.2.2" ? Solver::kHqq022 : Solver::kHqq028;
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
  format.zero = Choose<ZeroPoint>(
      from, "zero", path,
      {{"float-minimum", ZeroPoint::kFloatMinimum}, {"integer", ZeroPoint::kInteger}});
  ReadOutliers(from, path, &format);
  Choose<int>(from, "center", path, {{"none", 0}});
  Choose<int>(from, "rotate", path, {{"none", 0}});
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
  out->format.rope_before = Choose<bool>(from, "rope", path, {{"after", false}, {"before", true}});
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
  if (!from.Get("tokens").IsString()) segment.tokens = IntOf(from, "tokens");
  ReadFormat(from.Get("key").As<Napi::Object>(), path + ".key", &segment.key);
  ReadFormat(from.Get("value").As<Napi::Object>(), path + ".value", &segment.value);
  return segment;
}

Smoothing ReadSmoothing(const Napi::Object& from, const std::string& path) {
  Smoothing smooth;
  smooth.kernel = IntOf(from, "kernel");
  smooth.maximum = Choose<bool>(from, "pool", path, {{"max", true}, {"mean", false}});
  smooth.count_zeros =
      Choose<bool>(from, "padding", path, {{"zeros-count", true}, {"valid", false}});
  return smooth;
}

}  // namespace

Observation ReadObservation(const Napi::Object& from, const std::string& path) {
  Observation observation;
  observation.what = Choose<Observe>(from, "what", path,
                                     {{"nothing", Observe::kNothing},
                                      {"attention", Observe::kAttention},
                                      {"key-norm", Observe::kKeyNorm},
                                      {"key-similarity", Observe::kKeySimilarity}});
  if (observation.what != Observe::kAttention) return observation;
  if (!from.Get("queries").IsString()) {
    const Napi::Object queries = from.Get("queries").As<Napi::Object>();
    observation.last_queries = IntOf(queries, "last");
    observation.before_user_end = Choose<bool>(queries, "before", path + ".queries",
                                               {{"prompt-end", false}, {"user-end", true}});
  }
  observation.mask = Choose<ObserveMask>(
      from, "mask", path,
      {{"causal", ObserveMask::kCausal}, {"window-block", ObserveMask::kWindowBlock}});
  observation.mean_over_queries =
      Choose<bool>(from, "reduce", path, {{"sum", false}, {"mean", true}});
  observation.group = Choose<Reduce>(
      from, "group", path, {{"mean", Reduce::kMean}, {"max", Reduce::kMax}, {"sum", Reduce::kSum}});
  return observation;
}

HeadSharing ReadSharing(const Napi::Object& tokens, const std::string& path) {
  HeadSharing sharing;
  sharing.shared = Choose<bool>(tokens, "pool", path, {{"head", false}, {"layer", true}});
  if (!sharing.shared) return sharing;
  sharing.floor = tokens.Get("floor").ToNumber().DoubleValue();
  if (Has(tokens, "weigh"))
    sharing.weigh_top_share = Choose<bool>(tokens, "weigh", path, {{"top-share", true}});
  if (Has(tokens, "rounding"))
    sharing.round_each = Choose<bool>(tokens, "rounding", path, {{"each", true}});
  return sharing;
}

std::shared_ptr<const LayerPlan> ReadLayerPlan(const Napi::Object& from, const std::string& path) {
  auto plan = std::make_shared<LayerPlan>();
  const Napi::Object tokens = from.Get("tokens").As<Napi::Object>();
  plan->sharing = ReadSharing(tokens, path + ".tokens");
  plan->per_head = IntOf(tokens, "perHead");
  plan->capacity = Has(tokens, "capacity") ? IntOf(tokens, "capacity") : plan->per_head;
  const Napi::Array segments = from.Get("segments").As<Napi::Array>();
  for (uint32_t i = 0; i < segments.Length(); ++i)
    plan->segments.push_back(ReadSegment(segments.Get(i).As<Napi::Object>(),
                                         path + ".segments[" + std::to_string(i) + "]"));
  for (SegmentPlan& segment : plan->segments) {
    for (StoredFormat* stored : {&segment.key, &segment.value})
      if (!stored->levels.empty()) stored->format.levels = stored->levels.data();
    if (segment.key.format.rope_before != plan->segments.front().key.format.rope_before)
      Unsupported(from.Env(), path + ".segments: a mix of key.rope", "before and after");
  }
  plan->residual = Choose<Residual>(
      from, "residual", path,
      {{"unified", Residual::kUnified}, {"kivi", Residual::kKivi}, {"never", Residual::kNever}});
  plan->observe = ReadObservation(from.Get("observe").As<Napi::Object>(), path + ".observe");
  if (Has(from, "smooth"))
    plan->smooth = ReadSmoothing(from.Get("smooth").As<Napi::Object>(), path + ".smooth");
  const Napi::Object protect = from.Get("protect").As<Napi::Object>();
  plan->protect_first = IntOf(protect, "first");
  plan->protect_last = IntOf(protect, "last");
  plan->prefer_lowest = Choose<bool>(from, "prefer", path, {{"highest", false}, {"lowest", true}});
  plan->order_by_score = Choose<bool>(from, "order", path, {{"position", false}, {"score", true}});
  plan->evict = Choose<Evict>(
      from, "evict", path,
      {{"never", Evict::kNever}, {"fifo", Evict::kFifo}, {"lowest-score", Evict::kLowestScore}});
  plan->cache_positions = Choose<bool>(from, "positions", path, {{"true", false}, {"cache", true}});
  if (plan->sharing.shared && (plan->evict != Evict::kNever || plan->cache_positions))
    Unsupported(from.Env(), path + ".tokens.pool beside eviction or cache positions", "layer");
  if (plan->cache_positions && !plan->RopeBefore())
    Unsupported(from.Env(), path + ".positions beside keys stored after RoPE", "cache");
  return plan;
}

CompressionPlan ReadPlan(const Napi::Object& from) {
  CompressionPlan plan;
  plan.query_heads = Choose<bool>(from, "heads", "plan", {{"kv", false}, {"query", true}});
  if (Has(from, "userEnd")) plan.user_end = IntOf(from, "userEnd");
  const Napi::Array layers = from.Get("layers").As<Napi::Array>();
  for (uint32_t i = 0; i < layers.Length(); ++i)
    plan.layers.push_back(
        ReadLayerPlan(layers.Get(i).As<Napi::Object>(), "layers[" + std::to_string(i) + "]"));
  return plan;
}

}  // namespace qpkv
