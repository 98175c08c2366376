import { KvError } from '../errors.ts'

/** KV_INVALID_SPEC that names the column of a text. */
export const fail = (text: string, at: number, what: string, hint?: string): KvError =>
  new KvError('KV_INVALID_SPEC', `In "${text}", column ${at + 1}: ${what}.`, { hint })

/** Position of the first character of `stops` outside single quotes, or the end. */
export function findOutside(text: string, from: number, stops: string): number {
  let quoted = false
  for (let i = from; i < text.length; i++) {
    if (text[i] === "'") quoted = !quoted
    else if (!quoted && stops.includes(text[i]!)) return i
  }
  if (quoted) throw fail(text, text.length - 1, 'a single quote is never closed')
  return text.length
}

/** Texts that are read as numbers. */
export const isNumber = (raw: string): boolean =>
  /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(raw) && Number.isFinite(Number(raw))
/** Texts that need no quotes. */
export const isName = (raw: string): boolean => /^[A-Za-z0-9_./-]+$/.test(raw)
