import type { MethodRef } from '../method/method-ref.ts'
import { roles, type Role } from '../method/roles.ts'
import type { CompressionSpec } from '../spec/compression-spec.ts'
import { parsePairs, parseQuoted } from './parse-values.ts'
import { fail, findOutside } from './scan.ts'

/** The axes of pruning, as a spec holds them. */
export type PruneAxes = Pick<CompressionSpec, 'prune' | 'allocate' | 'share'>

/** One method and its options in text[from, to). */
export function parseMethodAt(text: string, from: number, to: number, role: Role | 'method'): MethodRef {
  const what = role === 'method' ? 'a method' : roles[role].a
  const colon = Math.min(to, findOutside(text, from, ':'))
  const raw = text.slice(from, colon)
  if (raw.length === 0) throw fail(text, from, `the name of ${what} is missing`, missing(role))
  const method = raw.startsWith("'") ? parseQuoted(text, from, colon) : raw
  if (typeof method !== 'string' || !/^[^\s'=,]+$/.test(method))
    throw fail(text, from, `${raw} is not the name of ${what}`)
  if (!raw.startsWith("'") && raw.includes('~'))
    throw fail(
      text,
      text.indexOf('~', from),
      `"~" cannot stand in the name of ${what}`,
      `PRUNER~ALLOCATOR~SHARING+QUANTIZER; a name that holds one is quoted: '"${raw}"'.`,
    )
  const options = colon < to ? parsePairs(text, colon + 1, to) : {}
  if ('method' in options) throw fail(text, colon + 1, '"method" is not an option')
  return { method, ...options }
}

const missing = (role: Role | 'method') =>
  role === 'allocator' || role === 'sharing'
    ? 'Leave the "~" out, or write pruner~~sharing for a sharing alone.'
    : 'none keeps everything.'

/** PRUNER[~ALLOCATOR[~SHARING]] in text[from, to); the allocator's place may be empty where a sharing follows. */
export function parseAxesAt(text: string, from: number, to: number): PruneAxes {
  const first = Math.min(to, findOutside(text, from, '~'))
  const prune = parseMethodAt(text, from, first, 'pruner')
  if (first === to) return { prune }
  const second = Math.min(to, findOutside(text, first + 1, '~'))
  const alone = second === to
  const allocate =
    alone || second > first + 1 ? parseMethodAt(text, first + 1, second, 'allocator') : undefined
  if (alone) return { prune, allocate: allocate! }
  const third = Math.min(to, findOutside(text, second + 1, '~'))
  if (third < to) throw fail(text, third, 'a third "~"; expected PRUNER~ALLOCATOR~SHARING')
  const share = parseMethodAt(text, second + 1, to, 'sharing')
  return { prune, ...(allocate && { allocate }), share }
}

/** `kivi:bits=4`, the value of --quantize. Throws KV_INVALID_SPEC with the column. */
export const parseMethodText = (text: string): MethodRef => parseMethodAt(text, 0, text.length, 'method')

/** `snapkv:window=16,pool=max` or `keydiff~pyramid~ada`, the value of --prune. Throws KV_INVALID_SPEC with the column. */
export const parsePruneText = (text: string): PruneAxes => parseAxesAt(text, 0, text.length)
