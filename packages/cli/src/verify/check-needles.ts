import type { Model } from '@qpkv/core'
import { needleCases } from '@qpkv/reference-model'
import { failed, notChecked, ok, type Check } from './check.ts'

const TOKENS = 600
const MAX_TOKENS = 16
/** A model that answers fewer than this share read something wrong, or is too small for the question. */
const ENOUGH = 0.8

/** Hides numbers in short texts and asks for them: whether what the engine computes makes sense as a whole. */
export async function checkNeedles(model: Model, count: number): Promise<Check> {
  const { tokenizer } = model
  if (count === 0) return notChecked('needles', 'none asked for')
  if (!tokenizer) return notChecked('needles', 'the model has no tokenizer.json')
  const cases = needleCases({
    seed: 'verify',
    tokens: Math.min(TOKENS, model.config.contextTokens - MAX_TOKENS),
    keys: 4,
    samples: count,
    countTokens: (text) => tokenizer.encode(text, { special: false }).length,
    protocol: 'query-aware',
  })
  let right = 0
  for (const { prompt, questions } of cases) {
    await using context = await model.prefill(prompt)
    const { text } = await context.generate({ maxTokens: MAX_TOKENS, temperature: 0 }).result
    // Tokenizers spell the space before a number in their own ways.
    if (text.trimStart().startsWith(questions[0]?.answer ?? '\0')) right++
  }
  const detail = `${right} of ${count} right`
  return right >= ENOUGH * count ? ok('needles', detail) : failed('needles', detail)
}
