import { kvError } from '../errors.ts'

/** What to do with a file that cannot be used. */
export const BUILD_AGAIN = 'Build it again from its text with prefill() and save().'

/** Throws KV_DATA for a saved context; readers put its path before it. */
export function refuse(why: string): never {
  throw kvError('KV_DATA', `The saved context cannot be used: ${why}.`, BUILD_AGAIN)
}
