// What the engine asks of a plan beyond its fields, which plan_types.h has from spec's TypeScript.
// Plans are checked in TypeScript; what the engine cannot run is refused with KV_UNSUPPORTED where
// it is read (binding/read_plan.cc).
#pragma once
#include <vector>

#include "engine/plan_types.h"
#include "engine/stored_form.h"
#include "ops/ops.h"

namespace qpkv {

using plan::CompressionPlan;
using plan::LayerPlan;
using plan::SegmentPlan;
using Role = SegmentPlan::Role;

// Lists of tokens belong to query heads, else to KV heads.
inline bool StoresQueryHeads(const CompressionPlan& plan) {
  return plan.heads == CompressionPlan::Heads::kQuery;
}

// ---- tokens ----

// One number per stored head, [storedHeads]; null: the same for all.
const std::vector<int>* TokensByHead(const LayerPlan& plan);
int MostTokens(const LayerPlan& plan);  // of any head, at the end of prefill
int Capacity(const LayerPlan& plan);    // of a head in decode, with eviction
inline bool SharesSlots(const LayerPlan& plan) {
  return plan.tokens.pool != plan::TokenShare::Pool::kHead;
}
inline bool SharesOverLayers(const LayerPlan& plan) {
  return plan.tokens.pool == plan::TokenShare::Pool::kModel;
}
inline bool OrdersByScore(const LayerPlan& plan) { return plan.order == LayerPlan::Order::kScore; }

// ---- segments ----

int FixedTokens(const SegmentPlan& segment);  // -1: it has what others leave
// Packed segments with formats of their own, the best tokens by score in the first.
int Tiers(const LayerPlan& plan);

// ---- storage ----

inline bool RopeBefore(const LayerPlan& plan) {
  return plan.keys.rope == plan::KeyStorage::Rope::kBefore;
}
// Indices in the cache rotate keys, and not positions in the text.
inline bool CachePositions(const LayerPlan& plan) {
  return plan.positions == LayerPlan::Positions::kCache;
}
// As ops take a format, its codebook left out.
TensorFormat FormatOf(const plan::TensorFormat& format, bool rope_before);
std::vector<float> CodebookOf(const plan::TensorFormat& format);  // empty: uniform codes
StoredForm StoredFormOf(plan::Transform transform, const std::optional<plan::Signs>& signs);
// Sections at the end of key parts; packages/spec/src/plan computes bytes by the same rule.
PartNeeds NeedsOf(const LayerPlan& plan);

// ---- eviction ----

bool Evicts(const LayerPlan& plan);
bool EvictsOldest(const LayerPlan& plan);
// Null where nothing leaves by score.
inline const plan::ScoreEviction* EvictionByScore(const LayerPlan& plan) {
  return std::get_if<plan::ScoreEviction>(&plan.evict);
}
// Whether that score is measured anew each time tokens leave; else it runs on.
inline bool MeasuresAnew(const LayerPlan& plan) {
  const plan::ScoreEviction* by_score = EvictionByScore(plan);
  return by_score != nullptr && by_score->measure.has_value();
}

}  // namespace qpkv
