// Written by tools/generate-methods.ts from the folders packages/pruners and packages/quantizers.
import { ada, adakv } from '@qpkv/pruner-adakv'
import { compactor } from '@qpkv/pruner-compactor'
import { dropkv } from '@qpkv/pruner-dropkv'
import { expectedAttention } from '@qpkv/pruner-expected-attention'
import { h2o } from '@qpkv/pruner-h2o'
import { keydiff } from '@qpkv/pruner-keydiff'
import { l2norm, wholeFirst } from '@qpkv/pruner-l2norm'
import { lagkv } from '@qpkv/pruner-lagkv'
import { layerRange, layerquant as layerquantPruner } from '@qpkv/pruner-layerquant'
import { pyramid, pyramidkv } from '@qpkv/pruner-pyramidkv'
import { random } from '@qpkv/pruner-random'
import { snapkv } from '@qpkv/pruner-snapkv'
import { streamingllm } from '@qpkv/pruner-streamingllm'
import { tova } from '@qpkv/pruner-tova'
import { vatp } from '@qpkv/pruner-vatp'
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
  compactor,
  dropkv,
  expectedAttention,
  h2o,
  keydiff,
  l2norm,
  lagkv,
  layerquantPruner,
  pyramidkv,
  random,
  snapkv,
  streamingllm,
  tova,
  vatp,
  wholeFirst,
  layerRange,
  pyramid,
  equalMemory,
  uniform,
  ada,
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
  compactor,
  dropkv,
  expectedAttention,
  h2o,
  keydiff,
  l2norm,
  lagkv,
  layerquantPruner,
  pyramidkv,
  random,
  snapkv,
  streamingllm,
  tova,
  vatp,
  wholeFirst,
  layerRange,
  pyramid,
  equalMemory,
  uniform,
  ada,
  hadamard,
  int8,
  kivi,
  kvarn,
  kvquant,
  layerquantQuantizer,
  turboquant,
}
