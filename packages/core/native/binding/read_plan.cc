// See read_plan.h.
#include "binding/read_plan.h"

#include <string>

#include "binding/read_fields.h"

namespace qpkv {
namespace {

[[noreturn]] void Unsupported(Napi::Env env, const std::string& path, const std::string& value) {
  throw MakeError(env, "KV_UNSUPPORTED", path + " is '" + value + "'; this engine cannot run it.");
}

void CheckCodebook(Napi::Env env, const std::string& path, const plan::TensorFormat& format) {
  const std::vector<float> levels = CodebookOf(format);
  if (levels.empty()) return;
  const int bits = std::get<plan::PackedFormat>(format).bits;
  const std::string at = path + ".levels.codebook";
  if (levels.size() != size_t{1} << bits)
    Unsupported(env, at, std::to_string(levels.size()) + " levels");
  for (size_t i = 0; i < levels.size(); ++i)
    if (!(std::fabs(levels[i]) <= 1) || (i > 0 && levels[i] < levels[i - 1]))
      Unsupported(env, at + "[" + std::to_string(i) + "]", std::to_string(levels[i]));
}

void CheckResidual(Napi::Env env, const std::string& path, const plan::Residual& residual) {
  using Keys = plan::Residual::Keys;
  using Values = plan::Residual::Values;
  const Values values = residual.keys == Keys::kGroup   ? Values::kGroup
                        : residual.keys == Keys::kBlock ? Values::kToken
                                                        : Values::kNever;
  if (residual.values != values)
    Unsupported(env, path + ".residual.values beside these keys",
                NamesOf(residual.values)[static_cast<size_t>(residual.values)]);
}

// What the engine cannot run together.
void CheckTogether(Napi::Env env, const std::string& path, const LayerPlan& plan) {
  if (TokensByHead(plan) != nullptr && plan.tokens.pool == plan::TokenShare::Pool::kLayer)
    Unsupported(env, path + ".tokens.pool beside perHead as a list", "layer");
  if ((SharesSlots(plan) || TokensByHead(plan) != nullptr) &&
      (Evicts(plan) || CachePositions(plan)))
    Unsupported(env, path + ".tokens.pool beside eviction or cache positions", "layer");
  if (Tiers(plan) > 1 &&
      (OrdersByScore(plan) || plan.residual.keys == plan::Residual::Keys::kBlock))
    Unsupported(env, path + ".segments beside order by score or keys that leave by blocks",
                "tiers");
  if (CachePositions(plan) && !RopeBefore(plan))
    Unsupported(env, path + ".positions beside keys stored after RoPE", "cache");
  const StoredForm values = StoredFormOf(plan.values.transform, plan.values.signs);
  if (values.center)
    Unsupported(env, path + ".values.transform",
                NamesOf(plan.values.transform)[static_cast<size_t>(plan.values.transform)]);
}

void CheckLayer(Napi::Env env, const std::string& path, const LayerPlan& plan) {
  const std::vector<int>* heads = TokensByHead(plan);
  if (heads != nullptr && heads->empty()) Unsupported(env, path + ".tokens.perHead", "[]");
  if (plan.stages.size() > kMaxStages)
    Unsupported(env, path + ".stages: more of them than 4", std::to_string(plan.stages.size()));
  for (size_t i = 0; i < plan.segments.size(); ++i) {
    const std::string at = path + ".segments[" + std::to_string(i) + "]";
    CheckCodebook(env, at + ".key", plan.segments[i].key);
    CheckCodebook(env, at + ".value", plan.segments[i].value);
  }
  CheckResidual(env, path, plan.residual);
  const plan::ScoreEviction* by_score = EvictionByScore(plan);
  if (by_score != nullptr && by_score->every != 1 && !MeasuresAnew(plan))
    Unsupported(env, path + ".evict.every", std::to_string(by_score->every));
  CheckTogether(env, path, plan);
}

}  // namespace

void RefuseField(const Napi::Value& value, const std::string& path) {
  if (value.IsUndefined()) throw MakeError(value.Env(), "KV_UNSUPPORTED", path + " is missing.");
  const bool plain = value.IsString() || value.IsNumber() || value.IsBoolean();
  Unsupported(value.Env(), path, plain ? value.ToString().Utf8Value() : "another object");
}

void RefuseUnknown(Napi::Env env, const std::string& path) {
  throw MakeError(env, "KV_UNSUPPORTED", path + " is unknown to this engine.");
}

std::shared_ptr<const LayerPlan> ReadLayerPlan(const Napi::Object& from,
                                               const StatisticList& statistics,
                                               const std::string& path) {
  auto plan = std::make_shared<LayerPlan>();
  ReadFields(from, path, statistics, plan.get());
  CheckLayer(from.Env(), path, *plan);
  return plan;
}

CompressionPlan ReadPlan(const Napi::Object& from, const StatisticList& statistics) {
  CompressionPlan plan;
  ReadFields(from, "plan", statistics, &plan);
  for (size_t i = 0; i < plan.layers.size(); ++i)
    CheckLayer(from.Env(), "layers[" + std::to_string(i) + "]", plan.layers[i]);
  return plan;
}

}  // namespace qpkv
