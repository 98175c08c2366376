import type { ModelPrecision, NativeModelDescription, NativeRope } from '../native/addon.ts'
import type { PackedMatrix } from '../weights/packed-matrices.ts'
import type { ModelSource } from './model-source.ts'
import type { RopeFrequencies } from './rope.ts'

/** What the engine is told about a model. */
export const describeModel = (
  { config, files, tensors }: Pick<ModelSource, 'config' | 'files' | 'tensors'>,
  precision: ModelPrecision,
  matrices: readonly PackedMatrix[],
): NativeModelDescription => ({
  files: [...files],
  precision,
  layers: config.layers,
  hiddenSize: config.hiddenSize,
  intermediateSize: config.intermediateSize,
  queryHeads: config.queryHeads,
  kvHeads: config.kvHeads,
  headDim: config.headDim,
  vocabSize: config.vocabSize,
  rmsEpsilon: config.rmsEpsilon,
  block: config.block,
  ropes: config.ropes.map(describeRope),
  layerRope: [...config.layerRope],
  slidingWindow: [...config.slidingWindow],
  tensors: { ...tensors },
  formats: Object.fromEntries(matrices.map(({ roles, format }) => [roles[0], format])),
})

const describeRope = ({ inverse, attentionFactor, long }: RopeFrequencies): NativeRope => ({
  inverse,
  scale: attentionFactor,
  ...(long && { long: { inverse: long.inverse, scale: long.attentionFactor, beyond: long.beyond } }),
})
