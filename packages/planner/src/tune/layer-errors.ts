import type { Model, Tokenizer } from '@qpkv/core'
import { KvError, resolve, type CompressionSpec } from '@qpkv/spec'
import { cutExcerpts } from '../cases/excerpts.ts'
import type { Outcome } from '../measure/outcome.ts'
import { chooseBits, type Choice } from './choose-bits.ts'
import { specOfBits, type LayerBits, type Width } from './layer-bits.ts'
import { meanKl, textOutcomes } from './text-divergence.ts'
import type { ResolvedTuneOptions } from './tune-options.ts'

type Tensor = 'key' | 'value'
export const TENSORS = ['key', 'value'] as const

/** What it costs to store one tensor of one layer alone at a width, the rest in 16 bit. */
export interface LayerError {
  readonly layer: number
  readonly tensor: Tensor
  readonly bits: Width
  readonly error: number
}

/** One pair of widths for all layers. */
export const everywhere = ({ facts }: Model, one: LayerBits): LayerBits[] =>
  Array.from({ length: facts.layers }, () => one)

/** Real bytes at the planned length. */
export const bytesOf = (
  { facts }: Model,
  spec: CompressionSpec,
  { registry, context }: ResolvedTuneOptions,
): number => resolve(spec, registry, facts, { tokens: context }).bytes

/** Errors are measured on the first excerpts, what comes of them on the last. */
export function excerptsOf(tokenizer: Tokenizer, { text, measure, calibrated, judged }: ResolvedTuneOptions) {
  const [calibration, judging] = cutExcerpts(tokenizer, {
    text,
    tokens: measure,
    counts: [calibrated, judged],
    seed: 1,
    follow: 129,
  })
  return { calibration, judging }
}

/** Every tensor of every layer alone at every width. */
export async function layerErrors(
  model: Model,
  tokenizer: Tokenizer,
  { quantize, widths, onProgress }: ResolvedTuneOptions,
  excerpts: Parameters<typeof textOutcomes>[3],
  signal: AbortSignal,
): Promise<LayerError[]> {
  const trials = Array.from({ length: model.facts.layers }, (_, layer) =>
    TENSORS.flatMap((tensor) => widths.map((bits) => ({ layer, tensor, bits }))),
  ).flat()
  const specs = trials.map(({ layer, tensor, bits }) => {
    const all = everywhere(model, { keyBits: 16, valueBits: 16 })
    all[layer] = { keyBits: tensor === 'key' ? bits : 16, valueBits: tensor === 'value' ? bits : 16 }
    return specOfBits(quantize, all)
  })
  const outcomes: Outcome[][] = specs.map(() => [])
  for (const excerpt of excerpts) {
    onProgress?.({ stage: 'errors by layer', specs: specs.length })
    const some = await textOutcomes(model, tokenizer, specs, [excerpt], signal)
    for (const [i, own] of some.entries()) outcomes[i]?.push(...own)
  }
  return trials.map((trial, i) => ({ ...trial, error: meanKl(outcomes[i] ?? []) }))
}

/** The widths with the least sum of errors within the budget. Bytes of a tensor are what its width adds to the smallest. */
export function chosenSpec(
  model: Model,
  options: ResolvedTuneOptions,
  errors: readonly LayerError[],
  budget: number,
): CompressionSpec {
  const { quantize, widths } = options
  const least = Math.min(...widths) as Width
  const smallest = everywhere(model, { keyBits: least, valueBits: least })
  const base = bytesOf(model, specOfBits(quantize, smallest), options)
  const tensors = smallest.flatMap((_, layer) =>
    TENSORS.map((tensor) =>
      widths.map((bits): Choice<Width> => {
        const trial = [...smallest]
        trial[layer] = { ...smallest[layer]!, [`${tensor}Bits`]: bits }
        const one = errors.find((it) => it.layer === layer && it.tensor === tensor && it.bits === bits)
        return {
          width: bits,
          bytes: bytesOf(model, specOfBits(quantize, trial), options) - base,
          error: one?.error ?? Infinity,
        }
      }),
    ),
  )
  const chosen = chooseBits(tensors, budget - base)
  if (!chosen)
    throw new KvError('KV_BUDGET_TOO_SMALL', `Not even ${least} bit everywhere fits ${budget} bytes.`)
  return specOfBits(
    quantize,
    smallest.map((_, layer) => ({
      keyBits: chosen[2 * layer] ?? least,
      valueBits: chosen[2 * layer + 1] ?? least,
    })),
  )
}
