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
export { LANES, outlierCapacity, partBytes, TILE_TOKENS, type PartNeeds } from './plan/tile-bytes.ts'
export { describeValue, errorCodes, expected, KvError, type KvErrorCode } from './errors.ts'
export { isPlainObject, toJson, type Json, type JsonObject } from './json.ts'
export { nearestName } from './nearest-name.ts'
export { boolean, integer, json, number, odd, oneOf, optional, text, type Option } from './options/option.ts'
export {
  parseOptions,
  type GivenOptions,
  type OptionShape,
  type OptionValues,
  type Profiles,
} from './options/option-shape.ts'
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
} from './method/method.ts'
export { carriedMethod, type MethodRef } from './method/method-ref.ts'
export type { MethodFactory } from './method/define-method.ts'
export { definePruner, type Pruner, type PrunerDefinition } from './method/define-pruner.ts'
export {
  defineQuantizer,
  type Quantizer,
  type QuantizerDefinition,
  type Simulation,
} from './method/define-quantizer.ts'
export { none, nonePruner, noneQuantizer } from './method/none.ts'
export { checkFormat, exactFormat, packedFormat } from './plan/formats.ts'
export { budgetBytes, checkBudget, formatBytes, type Budget } from './spec/budget.ts'
export {
  checkSpec,
  SPEC_VERSION,
  type CompressionSpec,
  type LayerOverride,
  type SpecInput,
} from './spec/compression-spec.ts'
export { loadSpec } from './spec/load-spec.ts'
export { createRegistry, findPruner, findQuantizer, type Registry } from './method/registry.ts'
export {
  parseBudgetText,
  parseMethodText,
  parseSpec,
  printBudget,
  printMethod,
  printSpec,
} from './text/spec-text.ts'
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
} from './plan/plan-bytes.ts'
export type { StoragePrecision } from './resolve/layer-storage.ts'
export { resolve, type Hooks, type Resolved, type ResolveOptions } from './resolve/resolve.ts'
export {
  closingTokens,
  windowAttention,
  windowAttentionOptions,
  type WindowAttentionOptions,
} from './method/window-attention.ts'
export {
  kiviStorage,
  kiviStorageOptions,
  solverNames,
  solverOf,
  type KiviOptions,
  type SolverName,
} from './method/kivi-storage.ts'
export { releasedStorage, type ReleasedStorageOptions } from './method/released-storage.ts'
