// See plan.h.
#include "engine/plan.h"

#include <algorithm>

namespace qpkv {
namespace {

Element MetadataOf(plan::PackedFormat::Metadata metadata) {
  return metadata == plan::PackedFormat::Metadata::kF32 ? Element::kF32 : Element::kF16;
}

void SetSolver(const plan::MinMaxSolver& solver, TensorFormat* format) {
  format->least = static_cast<float>(solver.least.value_or(0));
}

void SetSolver(const plan::NormSolver& solver, TensorFormat* format) {
  format->solver = solver.keep ? Solver::kKeepNorm : Solver::kNorm;
  format->spread = static_cast<float>(solver.spread);
}

void SetSolver(const plan::ProximalSolver& solver, TensorFormat* format) {
  format->solver = solver.limit ? Solver::kProximalGrowing : Solver::kProximalConstant;
}

TensorFormat PackedFormatOf(const plan::PackedFormat& from) {
  TensorFormat format;
  format.bits = from.bits;
  format.scale_per = from.scale_per;
  format.group = from.group;
  format.metadata = MetadataOf(from.metadata);
  format.zero = from.zero;
  std::visit([&](const auto& solver) { SetSolver(solver, &format); }, from.solver);
  format.outlier_fraction = from.outliers;
  if (from.outlier_rule) {
    format.outlier_rule = OutlierRule::kBeyond;
    format.outlier_threshold = from.outlier_rule->threshold;
  }
  if (from.balance) format.balance_steps = from.balance->steps;
  return format;
}

}  // namespace

const std::vector<int>* TokensByHead(const LayerPlan& plan) {
  return std::get_if<std::vector<int>>(&plan.tokens.per_head);
}

int MostTokens(const LayerPlan& plan) {
  const std::vector<int>* heads = TokensByHead(plan);
  return heads ? *std::max_element(heads->begin(), heads->end())
               : std::get<int>(plan.tokens.per_head);
}

int Capacity(const LayerPlan& plan) {
  const plan::ScoreEviction* by_score = EvictionByScore(plan);
  return by_score ? by_score->capacity : plan.tokens.capacity.value_or(MostTokens(plan));
}

int FixedTokens(const SegmentPlan& segment) {
  const int* tokens = std::get_if<int>(&segment.tokens);
  return tokens ? *tokens : -1;
}

int Tiers(const LayerPlan& plan) {
  return static_cast<int>(
      std::count_if(plan.segments.begin(), plan.segments.end(),
                    [](const SegmentPlan& segment) { return segment.role == Role::kPacked; }));
}

TensorFormat FormatOf(const plan::TensorFormat& from, bool rope_before) {
  TensorFormat format;
  if (const auto* exact = std::get_if<plan::ExactFormat>(&from))
    format.element = exact->element;
  else
    format = PackedFormatOf(std::get<plan::PackedFormat>(from));
  format.rope_before = rope_before;
  return format;
}

std::vector<float> CodebookOf(const plan::TensorFormat& format) {
  const auto* packed = std::get_if<plan::PackedFormat>(&format);
  const auto* book = packed ? std::get_if<plan::Codebook>(&packed->levels) : nullptr;
  if (book == nullptr) return {};
  return {book->codebook.begin(), book->codebook.end()};
}

StoredForm StoredFormOf(plan::Transform transform, const std::optional<plan::Signs>& signs) {
  using plan::Transform;
  StoredForm form;
  form.center = transform == Transform::kCenter || transform == Transform::kCenterHadamard;
  form.rotate = transform == Transform::kHadamard || transform == Transform::kCenterHadamard;
  if (signs) form.signs.assign(signs->begin(), signs->end());
  return form;
}

bool Evicts(const LayerPlan& plan) {
  const plan::EvictionName* name = std::get_if<plan::EvictionName>(&plan.evict);
  return name == nullptr || *name != plan::EvictionName::kNever;
}

bool EvictsOldest(const LayerPlan& plan) {
  const plan::EvictionName* name = std::get_if<plan::EvictionName>(&plan.evict);
  return name != nullptr && *name == plan::EvictionName::kFifo;
}

PartNeeds NeedsOf(const LayerPlan& plan) {
  PartNeeds needs;
  needs.mask = Evicts(plan);
  needs.positions = needs.mask || RopeBefore(plan);
  return needs;
}

}  // namespace qpkv
