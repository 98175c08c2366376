export type { Integer } from './plan/integer.ts'
export type { Tier } from './spec/tiers.ts'
export type {
  Balance,
  Bits,
  Codebook,
  Element,
  ExactFormat,
  MinMaxSolver,
  NormSolver,
  OutlierRule,
  PackedFormat,
  ProximalSolver,
  ScalePer,
  Solver,
  TensorFormat,
  ZeroPoint,
} from './plan/tensor-format.ts'
export type {
  CompressionPlan,
  Eviction,
  KeyStorage,
  LayerPlan,
  Protection,
  Residual,
  ScoreEviction,
  SegmentPlan,
  SelectionStage,
  Signs,
  SimulatedBits,
  TierCounts,
  TierShare,
  TokenShare,
  Transform,
  ValueStorage,
} from './plan/layer-plan.ts'
export type {
  ExactFormat1,
  LayerPlan1,
  PackedFormat1,
  Plan1,
  SegmentPlan1,
  TensorFormat1,
} from './plan/plan-1.ts'
export { checkPlan } from './plan/check-plan.ts'
export { loadPlan, PLAN_VERSION, upgradeFormat, upgradeLayerPlan, upgradePlan } from './plan/load-plan.ts'
export type * from './plan/score.ts'
export { checkScore, statisticsOf } from './plan/check-score.ts'
export { scoreOperations, type Operation } from './plan/score-operations.ts'
export { statistics } from './plan/statistics.ts'
export { defineStatistic, queries, type Queries, type Reading, type Statistic } from './plan/statistic.ts'
export type { ModelFacts, PromptFacts } from './facts.ts'
export { LANES, outlierCapacity, partBytes, TILE_TOKENS, type PartNeeds } from './plan/tile-bytes.ts'
export { atPlace, describeValue, errorCodes, expected, KvError, type KvErrorCode } from './errors.ts'
export { isPlainObject, toJson, type Json, type JsonObject } from './json.ts'
export { omitUndefined } from './omit-undefined.ts'
export { nearestName } from './nearest-name.ts'
export { boolean, integer, json, number, odd, oneOf, optional, text, type Option } from './options/option.ts'
export {
  parseOptions,
  type GivenOptions,
  type OptionShape,
  type OptionValues,
  type Profiles,
} from './options/option-shape.ts'
export { refuseUnknown } from './options/refuse-unknown.ts'
export { CONTRACT, type AnyMethod, type MethodFacts, type MethodsByRole } from './method/method.ts'
export { roleNames, roles, type Role, type Slot } from './method/roles.ts'
export type {
  AnyPruner,
  BoundPruner,
  LastShare,
  LayerContext,
  Observed,
  ProtectionRule,
  ScoreEvictionInput,
  Selection,
  StageInput,
} from './method/pruner.ts'
export type { OperationInput, ScoreInput, StatisticInput } from './method/score-input.ts'
export type {
  Allocation,
  AllocationLayer,
  AnyAllocator,
  BoundAllocator,
  AllocatedTokens,
  AllocationStorage,
  LayerTokens,
  TieredTokens,
  Measure,
  MeasureContext,
} from './method/allocator.ts'
export type { AnySharing, BoundSharing, SharingContext, SharingRule } from './method/sharing.ts'
export type {
  AnyQuantizer,
  Block,
  BoundQuantizer,
  FormatContext,
  LayerStorage,
  RoundTrip,
} from './method/quantizer.ts'
export { carriedMethod, type MethodRef } from './method/method-ref.ts'
export type { MethodDefinition, MethodFactory, NoExcess } from './method/define-method.ts'
export { definePruner, type Pruner, type PrunerDefinition } from './method/define-pruner.ts'
export { defineAllocator, type Allocator, type AllocatorDefinition } from './method/define-allocator.ts'
export { defineSharing, type Sharing, type SharingDefinition } from './method/define-sharing.ts'
export {
  defineQuantizer,
  type Quantizer,
  type QuantizerDefinition,
  type Simulation,
} from './method/define-quantizer.ts'
export { none, noMethods } from './method/none.ts'
export { exactFormat, packedFormat } from './plan/formats.ts'
export { checkFormat } from './plan/check-format.ts'
export { budgetBytes, checkBudget, formatBytes, fullCache, readBudget, type Budget } from './spec/budget.ts'
export { budgetKinds, type BudgetKind, type BudgetMeasure, type BudgetName } from './spec/budget-kinds.ts'
export {
  checkSpec,
  methodsOf,
  SPEC_VERSION,
  type CompressionSpec,
  type SpecInput,
} from './spec/compression-spec.ts'
export type { LayerOverride, LayerSettings } from './spec/layer-override.ts'
export { loadSpec } from './spec/load-spec.ts'
export { specSchema } from './spec/spec-schema.ts'
export {
  loadRecipe,
  RECIPE_VERSION,
  recipeProtocols,
  type Recipe,
  type RecipeModel,
  type RecipeProtocol,
} from './recipe/recipe.ts'
export { recipeSchema } from './recipe/recipe-schema.ts'
export { requireRecipe, type RecipeUse } from './recipe/require-recipe.ts'
export { createRegistry, findMethod, type Registry } from './method/registry.ts'
export { parseBudgetText } from './text/parse-budget.ts'
export { parseMethodText, parsePruneText, type PruneAxes } from './text/parse-methods.ts'
export { parseSpec } from './text/parse-spec.ts'
export { printBudget, printMethod, printPrune, printSpec } from './text/print-spec.ts'
export {
  finalPlan,
  headBytes,
  headTokens,
  layerBytes,
  meanBytes,
  nominalBits,
  nominalBytes,
  partNeeds,
  planBytes,
  runBytes,
  segmentTokens,
  storedHeads,
  tableBytes,
  tierCount,
  type PlanBytes,
  type SharedTokens,
  type StoredLayer,
} from './plan/plan-bytes.ts'
export { clampTokens, meanTokens } from './resolve/layer-tokens.ts'
export { keepsItsWindow } from './resolve/windowed-layers.ts'
export type { StoragePrecision } from './resolve/resolve-storage.ts'
export type { KvWarning } from './resolve/warnings.ts'
export { bindMethods, resolve, type Hooks, type Resolved, type ResolveOptions } from './resolve/resolve.ts'
export {
  closingTokens,
  windowAttention,
  windowAttentionOptions,
  type WindowAttentionOptions,
} from './method/window-attention.ts'
export { binaryShare } from './method/binary-share.ts'
export {
  expectedAttentionOptions,
  expectedAttentionScore,
  type ExpectedAttentionOptions,
} from './method/expected-attention-score.ts'
export {
  kiviStorage,
  kiviStorageOptions,
  solverNames,
  solverOf,
  type KiviOptions,
  type SolverName,
} from './method/kivi-storage.ts'
export { releasedStorage, type ReleasedStorageOptions } from './method/released-storage.ts'
