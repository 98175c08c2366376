import { setMaxListeners } from 'node:events'
import { contentHash, stratifiedMean } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import { KvError, loadRecipe, RECIPE_VERSION, type CompressionSpec, type Recipe } from '@qpkv/spec'
import type { Outcome } from '../measure/outcome.ts'
import { specOfBits } from './layer-bits.ts'
import { bytesOf, chosenSpec, everywhere, excerptsOf, layerErrors, type LayerError } from './layer-errors.ts'
import { meanKl, textOutcomes } from './text-divergence.ts'
import { resolveTuneOptions, type TuneOptions } from './tune-options.ts'

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
  readonly errors: readonly LayerError[]
}

export interface TunedRow {
  readonly spec: CompressionSpec
  /** Real bytes at the planned length. */
  readonly bytes: number
  /** On held-out text: KL in nats, and the share of likeliest next tokens that are the full cache's. */
  readonly kl: number
  readonly top1: number
}

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
