import { describeValue } from '@qpkv/spec'
import { kvError } from '../errors.ts'

/** Restricts the tokens of a reply, one after another: a grammar, say. One object serves one run. */
export interface Constraint {
  /** Tokens that may come next, a bit each: [(vocabSize + 31) / 32], token 0 the lowest bit of the first. Undefined: all. */
  allowed(): Promise<Int32Array | undefined> | Int32Array | undefined
  /** Told of each token that was chosen, the one that ends the reply included. */
  accept(token: number): Promise<void> | void
}

/** The mask of a constraint, checked. */
export async function nextMask(constraint: Constraint, vocabSize: number): Promise<Int32Array | undefined> {
  const mask: unknown = await constraint.allowed()
  const words = Math.ceil(vocabSize / 32)
  if (mask === undefined || (mask instanceof Int32Array && mask.length === words)) return mask
  throw kvError(
    'KV_INVALID_OPTION',
    `Expected an Int32Array of ${words} words, a bit for each of the ${vocabSize} tokens, from the constraint's allowed() but received ${mask instanceof Int32Array ? `one of ${mask.length}` : describeValue(mask)}.`,
  )
}
