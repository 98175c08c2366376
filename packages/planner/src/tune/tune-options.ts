import type { Model } from '@qpkv/core'
import { expected, isPlainObject, refuseUnknown, type MethodRef, type Registry } from '@qpkv/spec'
import type { PlanProgress } from '../plan-options.ts'
import type { Width } from './layer-bits.ts'

export interface TuneOptions {
  /** A text like those that will be compressed. Its first half calibrates, what is chosen is judged on the other. */
  readonly text: string
  /** A method that takes bits by layer; default `kivi`. */
  readonly quantize?: MethodRef
  readonly registry?: Registry
  /** As many real bytes as this width takes everywhere; default 3. */
  readonly bits?: Width
  /** Widths to choose from; default 8, 4, 3 and 2. */
  readonly widths?: readonly Width[]
  /** Tokens of the longest prompt; default: `measure`. */
  readonly context?: number
  /** Tokens of the prompts that are measured; default 512. */
  readonly measure?: number
  /** Excerpts that errors are measured on, and that the result is judged on; default 8 each. */
  readonly calibrated?: number
  readonly judged?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: PlanProgress) => void
}

export type ResolvedTuneOptions = Required<Omit<TuneOptions, 'registry' | 'onProgress'>> &
  Pick<TuneOptions, 'registry' | 'onProgress'>

const names = {
  text: true, quantize: true, registry: true, bits: true, widths: true, context: true, measure: true, calibrated: true,
  judged: true, signal: true, onProgress: true,
} satisfies Record<keyof TuneOptions, true> // prettier-ignore

const known: readonly unknown[] = [8, 4, 3, 2]

/** Filled in and checked. @throws KV_INVALID_OPTION */
export function resolveTuneOptions(model: Model, given: TuneOptions): ResolvedTuneOptions {
  if (!isPlainObject(given)) throw expected('an object of options', 'the options of tuneBits()', given)
  refuseUnknown(given, Object.keys(names), 'tuneBits()')
  const { bits = 3, widths = [8, 4, 3, 2], text } = given as TuneOptions
  if (typeof text !== 'string') throw expected('a text', 'text', text)
  if (!known.includes(bits)) throw expected('8, 4, 3 or 2', 'bits', bits)
  if (!Array.isArray(widths) || widths.length === 0 || !widths.every((width) => known.includes(width)))
    throw expected('a list of 8, 4, 3 and 2', 'widths', widths)
  const { contextTokens } = model.config
  const whole = (name: string, value: number, least: number, most: number) => {
    if (Number.isSafeInteger(value) && value >= least && value <= most) return value
    throw expected(`a whole number from ${least} to ${most}`, name, value)
  }
  const measure = whole(
    'measure',
    given.measure ?? Math.min(512, contextTokens - 128),
    64,
    contextTokens - 128,
  )
  return {
    ...given,
    text,
    bits,
    widths,
    quantize: given.quantize ?? { method: 'kivi' },
    measure,
    context: whole('context', given.context ?? measure, measure, contextTokens),
    calibrated: whole('calibrated', given.calibrated ?? 8, 1, 1000),
    judged: whole('judged', given.judged ?? 8, 2, 1000),
    signal: given.signal ?? new AbortController().signal,
  }
}
