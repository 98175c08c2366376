import { describeValue, KvError } from '@qpkv/spec'
import { countScore } from './count.ts'

/** {@link countScore} against the first number that `pattern` finds in the reference. */
export function scoreParagraph(prediction: string, reference: string, pattern: RegExp): number {
  const id = pattern.exec(reference)?.[1]
  if (id !== undefined) return countScore(prediction, id)
  throw new KvError(
    'KV_DATA',
    `Expected an answer that matches ${pattern.source} but received ${describeValue(reference)}.`,
    { hint: 'The row belongs to another dataset or was changed; take it from the official file.' },
  )
}

/**
 * Passage retrieval (English), 0..1: the id comes from "Paragraph N" of the reference.
 * @throws KvError KV_DATA where the reference names no paragraph (the original crashes there).
 */
export function retrieval(prediction: string, reference: string): number {
  return scoreParagraph(prediction, reference, /Paragraph (\p{Nd}+)/u)
}
