export type {
  Bits,
  Element,
  ExactFormat,
  OutlierRule,
  PackedFormat,
  Solver,
  TensorFormat,
} from './tensor-format.ts'
export type {
  AttentionObservation,
  CompressionPlan,
  LayerPlan,
  Observation,
  SegmentPlan,
  Smoothing,
} from './layer-plan.ts'
export type * from './plan/score.ts'
export { checkScore, statisticsOf } from './plan/check-score.ts'
export { scoreOperations, type Operation } from './plan/score-operations.ts'
export { statistics } from './plan/statistics.ts'
export { defineStatistic, queries, type Queries, type Reading, type Statistic } from './plan/statistic.ts'
export type { ModelFacts, PromptFacts } from './facts.ts'
export { LANES, outlierCapacity, partBytes, TILE_TOKENS, type PartNeeds } from './tile-bytes.ts'
export { describeValue, errorCodes, expected, KvError, type KvErrorCode } from './errors.ts'
export { isPlainObject, toJson, type Json, type JsonObject } from './json.ts'
export { nearestName } from './nearest-name.ts'
export { boolean, integer, json, number, odd, oneOf, optional, text, type Option } from './options.ts'
export {
  parseOptions,
  type GivenOptions,
  type OptionShape,
  type OptionValues,
  type Profiles,
} from './option-shape.ts'
export type {
  Allocation,
  AllocationLayer,
  AnyMethod,
  AnyPruner,
  AnyQuantizer,
  Block,
  BoundPruner,
  BoundQuantizer,
  FormatContext,
  LayerStorage,
  MethodFacts,
  Observed,
  RoundTrip,
  Selection,
  SelectionContext,
} from './method.ts'
export { carriedMethod, type MethodRef } from './method-ref.ts'
export type { MethodFactory } from './define-method.ts'
export { definePruner, type Pruner, type PrunerDefinition } from './define-pruner.ts'
export {
  defineQuantizer,
  type Quantizer,
  type QuantizerDefinition,
  type Simulation,
} from './define-quantizer.ts'
export { none, nonePruner, noneQuantizer } from './none.ts'
export { checkFormat, exactFormat, packedFormat } from './formats.ts'
export { budgetBytes, checkBudget, formatBytes, type Budget } from './budget.ts'
export {
  checkSpec,
  SPEC_VERSION,
  type CompressionSpec,
  type LayerOverride,
  type SpecInput,
} from './compression-spec.ts'
export { loadSpec } from './load-spec.ts'
export { createRegistry, findPruner, findQuantizer, type Registry } from './registry.ts'
export {
  parseBudgetText,
  parseMethodText,
  parseSpec,
  printBudget,
  printMethod,
  printSpec,
} from './spec-text.ts'
export {
  finalPlan,
  headBytes,
  layerBytes,
  nominalBits,
  nominalBytes,
  partNeeds,
  planBytes,
  runBytes,
  segmentTokens,
  storedHeads,
  tableBytes,
  type PlanBytes,
  type SharedTokens,
  type StoredLayer,
} from './plan-bytes.ts'
export type { StoragePrecision } from './layer-storage.ts'
export { resolve, type Hooks, type Resolved, type ResolveOptions } from './resolve.ts'
export {
  closingTokens,
  windowAttention,
  windowAttentionOptions,
  type WindowAttentionOptions,
} from './window-attention.ts'
export {
  kiviStorage,
  kiviStorageOptions,
  solverNames,
  solverOf,
  type KiviOptions,
  type SolverName,
} from './kivi-storage.ts'
export { releasedStorage, type ReleasedStorageOptions } from './released-storage.ts'
export { roundBf16, roundF16, roundHalfEven, roundTo } from './round-float.ts'
export { pooledScores, selectTokens, smoothScores, type SelectionPlan } from './select-tokens.ts'
export { shareAmongHeads, type Sharing } from './share-among-heads.ts'
export { observe, type ObservedTensors } from './observe-reference.ts'
export {
  nearestLevel,
  normalizedInliers,
  quantizeReference,
  readBack,
  type Quantized,
} from './quantize-reference.ts'
export { quantizeHqq, type HqqGroups, type HqqVersion } from './hqq-solver.ts'
export {
  codeHqq,
  hqqBytes,
  hqqPlanBytes,
  packHqq,
  roundTripHqq,
  type HqqCoded,
  type HqqStorage,
} from './hqq-storage.ts'
export { tokenToEvict, type LiveTokens } from './evict-reference.ts'
