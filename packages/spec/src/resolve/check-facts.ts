import { expected } from '../errors.ts'
import type { ModelFacts, PromptFacts } from '../facts.ts'

/** Facts come from a configuration file and a tokenizer; nonsense in them is refused with KV_CONFIG. */
export function checkFacts(model: ModelFacts, prompt: PromptFacts): void {
  const positive = (value: unknown, path: string, what = 'a whole number of at least 1') => {
    if (!Number.isSafeInteger(value) || (value as number) < 1) throw expected(what, path, value, 'KV_CONFIG')
  }
  positive(model.layers, 'model.layers')
  positive(model.queryHeads, 'model.queryHeads')
  positive(model.kvHeads, 'model.kvHeads')
  positive(model.headDim, 'model.headDim')
  if (model.headDim % 2 !== 0) throw expected('an even number', 'model.headDim', model.headDim, 'KV_CONFIG')
  if (model.queryHeads % model.kvHeads !== 0)
    throw expected(
      `a multiple of kvHeads (${model.kvHeads})`,
      'model.queryHeads',
      model.queryHeads,
      'KV_CONFIG',
    )
  positive(prompt.tokens, 'prompt.tokens')
  if (prompt.tokenIds !== undefined && prompt.tokenIds.length !== prompt.tokens)
    throw expected(
      `${prompt.tokens} ids, as many as prompt.tokens`,
      'prompt.tokenIds',
      prompt.tokenIds.length,
      'KV_CONFIG',
    )
  if (prompt.userEnd === undefined) return
  positive(prompt.userEnd, 'prompt.userEnd')
  if (prompt.userEnd > prompt.tokens)
    throw expected(`at most prompt.tokens (${prompt.tokens})`, 'prompt.userEnd', prompt.userEnd, 'KV_CONFIG')
}
