// Written by tools/generate-methods.ts from the folders packages/pruners and packages/quantizers.
import { ada, adakv } from '@qpkv/pruner-adakv'
import { cake, layerPreference } from '@qpkv/pruner-cake'
import { chunkkv, wholeChunks } from '@qpkv/pruner-chunkkv'
import { compactor } from '@qpkv/pruner-compactor'
import { criticalAda, criticalkv } from '@qpkv/pruner-criticalkv'
import { dropkv } from '@qpkv/pruner-dropkv'
import { duoattention, headTable } from '@qpkv/pruner-duoattention'
import { expectedAttention } from '@qpkv/pruner-expected-attention'
import { h2o } from '@qpkv/pruner-h2o'
import { keydiff } from '@qpkv/pruner-keydiff'
import { kvzip, modelWide } from '@qpkv/pruner-kvzip'
import { l2norm, wholeFirst } from '@qpkv/pruner-l2norm'
import { lagkv } from '@qpkv/pruner-lagkv'
import { layerRange, layerquant as layerquantPruner } from '@qpkv/pruner-layerquant'
import { pyramid, pyramidkv } from '@qpkv/pruner-pyramidkv'
import { random } from '@qpkv/pruner-random'
import { rkv } from '@qpkv/pruner-rkv'
import { snapkv } from '@qpkv/pruner-snapkv'
import { streamingllm } from '@qpkv/pruner-streamingllm'
import { tova } from '@qpkv/pruner-tova'
import { vatp } from '@qpkv/pruner-vatp'
import { rateDistortion } from '@qpkv/pruner-rate-distortion'
import { equalMemory, uniform } from '@qpkv/pruner-uniform'
import { hadamard } from '@qpkv/quantizer-hadamard'
import { int8 } from '@qpkv/quantizer-int8'
import { kivi } from '@qpkv/quantizer-kivi'
import { kvarn } from '@qpkv/quantizer-kvarn'
import { kvquant } from '@qpkv/quantizer-kvquant'
import { layerquant as layerquantQuantizer } from '@qpkv/quantizer-layerquant'
import { turboquant } from '@qpkv/quantizer-turboquant'
import { createRegistry, type AnyMethod, type Registry } from '@qpkv/spec'

/** Every first-party method beside `none`. */
export const methods: readonly AnyMethod[] = Object.freeze([
  adakv,
  cake,
  chunkkv,
  compactor,
  criticalkv,
  dropkv,
  duoattention,
  expectedAttention,
  h2o,
  keydiff,
  kvzip,
  l2norm,
  lagkv,
  layerquantPruner,
  pyramidkv,
  random,
  rkv,
  snapkv,
  streamingllm,
  tova,
  vatp,
  layerPreference,
  wholeChunks,
  headTable,
  wholeFirst,
  layerRange,
  pyramid,
  rateDistortion,
  equalMemory,
  uniform,
  ada,
  criticalAda,
  modelWide,
  hadamard,
  int8,
  kivi,
  kvarn,
  kvquant,
  layerquantQuantizer,
  turboquant,
])

/** The registry that plain JSON and text specs need. */
export const registry: Registry = createRegistry(methods)

export {
  adakv,
  cake,
  chunkkv,
  compactor,
  criticalkv,
  dropkv,
  duoattention,
  expectedAttention,
  h2o,
  keydiff,
  kvzip,
  l2norm,
  lagkv,
  layerquantPruner,
  pyramidkv,
  random,
  rkv,
  snapkv,
  streamingllm,
  tova,
  vatp,
  layerPreference,
  wholeChunks,
  headTable,
  wholeFirst,
  layerRange,
  pyramid,
  rateDistortion,
  equalMemory,
  uniform,
  ada,
  criticalAda,
  modelWide,
  hadamard,
  int8,
  kivi,
  kvarn,
  kvquant,
  layerquantQuantizer,
  turboquant,
}
