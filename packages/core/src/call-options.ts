import { expected, isPlainObject, refuseUnknown } from '@qpkv/spec'
import type { GenerateOptions } from './generate/generate.ts'
import type { CompressionInput } from './compression-input.ts'
import type { AppendOptions } from './append-options.ts'
import type { EstimateOptions } from './memory/estimate-model.ts'
import type { ForkOptions } from './first-tokens.ts'
import type { LoadModelOptions } from './load-model.ts'
import type { TemplateOptions } from './model/chat-template.ts'
import type { PrefillOptions } from './prefill-options.ts'
import type { RecompressOptions } from './recompress/recompress-context.ts'
import type { OpenOptions } from './saved/open-context.ts'
import type { SaveOptions } from './saved/save-context.ts'

/*
 * What each call reads of its options. TypeScript refuses others where an object is written out; JavaScript, and objects
 * that come from elsewhere, are refused here, with the nearest name.
 */

type Names<T> = Record<keyof Required<T>, true>

const template: Names<TemplateOptions> = {
  addGenerationPrompt: true,
  continueFinalMessage: true,
  template: true,
  variables: true,
  controlTokens: true,
}
const prefill: Names<PrefillOptions & { compression: CompressionInput }> = {
  ...template,
  compression: true,
  signal: true,
  onProgress: true,
  onLayer: true,
  allowLongPrompt: true,
  expectTokens: true,
  special: true,
  userEnd: true,
  element: true,
  whenFull: true,
  onWarning: true,
}
const appendLogits: Names<Omit<AppendOptions, 'compress'>> = {
  ...template,
  signal: true,
  allowLongPrompt: true,
}
const append: Names<AppendOptions> = { ...appendLogits, compress: true }
const tokenize: Names<TemplateOptions & { special: boolean }> = { ...template, special: true }
const generate: Names<GenerateOptions> = {
  maxTokens: true,
  stop: true,
  stopTokens: true,
  seed: true,
  signal: true,
  temperature: true,
  topK: true,
  topP: true,
  minP: true,
  repetitionPenalty: true,
  presencePenalty: true,
  frequencyPenalty: true,
  logitBias: true,
  logprobs: true,
  constraint: true,
}
const loadModel: Names<LoadModelOptions> = {
  device: true,
  threads: true,
  table: true,
  precision: true,
  weights: true,
  methods: true,
  memoryLimit: true,
  packedCache: true,
  onProgress: true,
  signal: true,
}

const estimateModel: Names<EstimateOptions> = {
  tokens: true,
  specs: true,
  weights: true,
  precision: true,
  threads: true,
  methods: true,
  signal: true,
}

const open: Names<OpenOptions> = { signal: true, whenFull: true, onWarning: true }
const save: Names<SaveOptions> = { signal: true }
const recompress: Names<RecompressOptions> = { signal: true }
const fork: Names<ForkOptions> = { tokens: true }

const calls = {
  estimateModel,
  prefill,
  open,
  save,
  recompress,
  fork,
  append,
  appendLogits,
  tokenize,
  generate,
  loadModel,
}

/** Throws KV_INVALID_OPTION for an option that the call does not read. */
export function checkCallOptions(options: unknown, call: keyof typeof calls): void {
  if (!isPlainObject(options)) throw expected('an object of options', `the options of ${call}()`, options)
  refuseUnknown(options, Object.keys(calls[call]), `${call}()`)
}
