import { setMaxListeners } from 'node:events'
import { contentHash, stratifiedMean } from '@qpkv/bench-kit'
import type { Model, Tokenizer } from '@qpkv/core'
import { KvError, loadRecipe, RECIPE_VERSION, resolve, type CompressionSpec, type Recipe } from '@qpkv/spec'
import { cutExcerpts } from '../cases/excerpts.ts'
import type { Outcome } from '../measure/outcome.ts'
import { chooseBits, type Choice } from './choose-bits.ts'
import { specOfBits, type LayerBits, type Width } from './layer-bits.ts'
import { meanKl, textOutcomes } from './text-divergence.ts'
import { resolveTuneOptions, type ResolvedTuneOptions, type TuneOptions } from './tune-options.ts'

/** Layer by layer bits, and what they are worth against one width for all. */
export interface BitTuning {
  /** What is recommended: the tuned spec, or the uniform one where tuning gained nothing on texts that it had not seen. */
  readonly spec: CompressionSpec
  readonly recipe: Recipe
  readonly tuned: TunedRow
  readonly uniform: TunedRow
  /** Mean over held-out texts of tuned KL - uniform KL, nats, with its 95 % interval, pair by pair. */
  readonly difference: { readonly mean: number; readonly low: number; readonly high: number }
  /** KL in nats where one tensor of one layer alone is stored at a width, the rest in 16 bit. */
  readonly errors: readonly {
    readonly layer: number
    readonly tensor: Tensor
    readonly bits: Width
    readonly kl: number
  }[]
}

export interface TunedRow {
  readonly spec: CompressionSpec
  /** Real bytes at the planned length. */
  readonly bytes: number
  /** On held-out text: KL in nats, and the share of likeliest next tokens that are the full cache's. */
  readonly kl: number
  readonly top1: number
}

type Tensor = 'key' | 'value'
const TENSORS = ['key', 'value'] as const

/**
 * Chooses the bits of every layer's keys and values (the idea of KVTuner, https://arxiv.org/abs/2502.04420): each tensor of each layer alone is stored at
 * each width, and what that error of attention does to the next token on a calibration text is measured. The sum of these errors is made
 * least within the real bytes of one width for all, exactly. Then both are measured on text that nothing was chosen by.
 * @throws KV_INVALID_OPTION, KV_TOKENIZER, KV_DATA for a text that is too short, what resolving a method throws that knows no bits by layer
 */
export async function tuneBits(model: Model, given: TuneOptions): Promise<BitTuning> {
  const options = resolveTuneOptions(model, given)
  const { quantize, bits, context, measure, onProgress } = options
  const signal = AbortSignal.any([options.signal])
  setMaxListeners(0, signal)
  const { tokenizer } = model
  if (!tokenizer)
    throw new KvError('KV_TOKENIZER', 'Tuning needs a tokenizer, and the model folder has none.', {
      hint: 'Put tokenizer.json beside config.json.',
    })
  const uniform = specOfBits(quantize, everywhere(model, { keyBits: bits, valueBits: bits }))
  const budget = bytesOf(model, uniform, options)
  const { calibration, judging } = excerptsOf(tokenizer, options)
  const errors = await layerErrors(model, tokenizer, options, calibration, signal)
  const tuned = chosenSpec(model, options, errors, budget)
  onProgress?.({ stage: 'judging', specs: 2 })
  const [mine = [], its = []] = await textOutcomes(model, tokenizer, [tuned, uniform], judging, signal)
  const difference = stratifiedMean([mine.map(({ kl }, i) => kl - (its[i]?.kl ?? NaN))])
  const rows = { tuned: rowOf(tuned, mine), uniform: rowOf(uniform, its) }
  const spec = difference.mean < 0 ? tuned : uniform
  return {
    spec,
    recipe: loadRecipe({
      recipeVersion: RECIPE_VERSION,
      spec,
      model: await model.identify(),
      tokens: { from: 1, to: context },
      // Nothing is dropped, so nothing depends on when the question is known.
      protocols: ['query-aware', 'query-agnostic'],
      measured: {
        tunedKl: rows.tuned.kl,
        uniformKl: rows.uniform.kl,
        difference,
        tokens: measure,
        text: contentHash(options.text),
      },
    }),
    ...rows,
    difference,
    errors,
  }

  function rowOf(row: CompressionSpec, outcomes: readonly Outcome[]): TunedRow {
    const top1 = outcomes.reduce((sum, one) => sum + one.top1, 0) / outcomes.length
    return { spec: row, bytes: bytesOf(model, row, options), kl: meanKl(outcomes), top1 }
  }
}

const everywhere = ({ facts }: Model, one: LayerBits): LayerBits[] =>
  Array.from({ length: facts.layers }, () => one)

const bytesOf = (
  { facts }: Model,
  spec: CompressionSpec,
  { registry, context }: ResolvedTuneOptions,
): number => resolve(spec, registry, facts, { tokens: context }).bytes

/** Errors are measured on the first excerpts, what comes of them on the last. */
function excerptsOf(tokenizer: Tokenizer, { text, measure, calibrated, judged }: ResolvedTuneOptions) {
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
async function layerErrors(
  model: Model,
  tokenizer: Tokenizer,
  { quantize, widths, onProgress }: ResolvedTuneOptions,
  excerpts: Parameters<typeof textOutcomes>[3],
  signal: AbortSignal,
): Promise<BitTuning['errors']> {
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
  return trials.map((trial, i) => ({ ...trial, kl: meanKl(outcomes[i] ?? []) }))
}

/** The widths with the least sum of errors within the budget. Bytes of a tensor are what its width adds to the smallest. */
function chosenSpec(
  model: Model,
  options: ResolvedTuneOptions,
  errors: BitTuning['errors'],
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
          error: one?.kl ?? Infinity,
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
