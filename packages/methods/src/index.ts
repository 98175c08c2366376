// Written by tools/generate-methods.ts from the folders packages/pruners and packages/quantizers.
export {
  adakv,
  h2o,
  int8,
  keydiff,
  kivi,
  kvquant,
  l2norm,
  layerquantPruner,
  layerquantQuantizer,
  methods,
  pyramidkv,
  registry,
  snapkv,
  streamingllm,
} from './methods.ts'
