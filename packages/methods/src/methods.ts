// Written by tools/generate-methods.ts from the folders packages/pruners and packages/quantizers.
import { ada, adakv } from '@qpkv/pruner-adakv'
import { h2o } from '@qpkv/pruner-h2o'
import { keydiff } from '@qpkv/pruner-keydiff'
import { l2norm, wholeFirst } from '@qpkv/pruner-l2norm'
import { layerRange, layerquant as layerquantPruner } from '@qpkv/pruner-layerquant'
import { pyramid, pyramidkv } from '@qpkv/pruner-pyramidkv'
import { snapkv } from '@qpkv/pruner-snapkv'
import { streamingllm } from '@qpkv/pruner-streamingllm'
import { equalMemory, uniform } from '@qpkv/pruner-uniform'
import { int8 } from '@qpkv/quantizer-int8'
import { kivi } from '@qpkv/quantizer-kivi'
import { kvquant } from '@qpkv/quantizer-kvquant'
import { layerquant as layerquantQuantizer } from '@qpkv/quantizer-layerquant'
import { createRegistry, type AnyMethod, type Registry } from '@qpkv/spec'

/** Every first-party method beside `none`. */
export const methods: readonly AnyMethod[] = Object.freeze([
  adakv,
  h2o,
  keydiff,
  l2norm,
  layerquantPruner,
  pyramidkv,
  snapkv,
  streamingllm,
  wholeFirst,
  layerRange,
  pyramid,
  equalMemory,
  uniform,
  ada,
  int8,
  kivi,
  kvquant,
  layerquantQuantizer,
])

/** The registry that plain JSON and text specs need. */
export const registry: Registry = createRegistry(methods)

export {
  adakv,
  h2o,
  keydiff,
  l2norm,
  layerquantPruner,
  pyramidkv,
  snapkv,
  streamingllm,
  wholeFirst,
  layerRange,
  pyramid,
  equalMemory,
  uniform,
  ada,
  int8,
  kivi,
  kvquant,
  layerquantQuantizer,
}
