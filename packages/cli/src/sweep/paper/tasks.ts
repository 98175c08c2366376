import type { SweepTask } from '@qpkv/bench-kit'
import { profiles } from '@qpkv/bench-longbench'
import type { Model } from '@qpkv/core'
import type { JsonObject } from '@qpkv/spec'
import type { PaperOptions } from './options.ts'

/** Needles, and LongBench where its data are there. */
export function paperTasks(options: PaperOptions, model: Model): SweepTask[] {
  const longbench: JsonObject = {
    profile: 'qpruningkv',
    data: options.longbench ?? '',
    ...promptLimit(options.model, model),
  }
  return [
    needleTask(options, model),
    ...(options.longbench === undefined ? [] : [{ bench: 'longbench', options: longbench }]),
  ]
}

/** Needles of the bundled world for the bundled model, else the grid of the released code. */
export function needleTask(
  { model: name, samples = 50, essays, lengths }: PaperOptions,
  model: Model,
): SweepTask {
  if (name === 'reference')
    return { bench: 'needle', options: { lengths: [...(lengths ?? [512, 1024, 2048])], samples } }
  return {
    bench: 'needle',
    options: {
      form: formOf(model),
      profile: 'qpruningkv',
      lengths: [...(lengths ?? steps(1000, Math.min(8001, model.config.contextTokens), 100))],
      ...(essays === undefined ? {} : { essays, order: 'listed' }),
    },
  }
}

/** RULER's tasks. */
export function rulerTask(
  { lengths = [4096], ruler, assets, samples = 50 }: PaperOptions,
  protocol: 'query-aware' | 'query-agnostic',
): SweepTask {
  const source: JsonObject = ruler === undefined ? (assets === undefined ? {} : { assets }) : { data: ruler }
  return { bench: 'ruler', options: { lengths: [...lengths], samples, protocol, ...source } }
}

/** The prompt form of the released code that the model's own template writes; the bare text where it is neither. */
function formOf({ chatTemplate }: Model): 'llama-3' | 'mistral' | 'story-book' {
  const source = chatTemplate?.source() ?? ''
  if (source.includes('<|start_header_id|>')) return 'llama-3'
  return source.includes('[INST]') ? 'mistral' : 'story-book'
}

/** The released code knows the prompt length of a few models by their names; others get the official rule, their context less 500. */
function promptLimit(name: string, model: Model): JsonObject {
  const known = profiles.qpruningkv.maxPromptTokens
  if (typeof known !== 'string' && known.some(([part]) => name.toLowerCase().includes(part.toLowerCase())))
    return {}
  return { maxPromptTokens: Math.max(2, model.config.contextTokens - 500) }
}

const steps = (from: number, to: number, step: number) =>
  Array.from({ length: Math.max(1, Math.floor((to - from) / step) + 1) }, (_, i) => from + i * step)
