export type { Bits, Element, ExactFormat, PackedFormat, Solver, TensorFormat } from './tensor-format.ts'
export type {
  AttentionObservation,
  CompressionPlan,
  LayerPlan,
  Observation,
  SegmentPlan,
  Smoothing,
} from './layer-plan.ts'
export type { ModelFacts, PromptFacts } from './facts.ts'
