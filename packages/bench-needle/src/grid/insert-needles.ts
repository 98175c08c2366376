import { KvError } from '@qpkv/spec'

/** Text to ids and back as the original codes call their tokenizers. */
export interface TextCodec {
  encode(text: string): readonly number[]
  decode(ids: readonly number[]): string
}

export interface InsertOptions {
  readonly codec: TextCodec
  /** The haystack, already cut to `length` tokens. */
  readonly haystack: string
  readonly needles: readonly string[]
  /** Where the first one goes, per cent; further ones follow at equal distances up to the end. */
  readonly depth: number
  /** Tokens of context and needles together, before `buffer` is taken off. */
  readonly length: number
  /** Tokens left for question and answer. */
  readonly buffer: number
  /** Ids that end a sentence. Default: what the codec makes of ".". */
  readonly sentenceEnds?: readonly number[]
}

export interface InsertedNeedles {
  readonly text: string
  /** Per needle: its first token's index / tokens of the final text, per cent. */
  readonly depths: readonly number[]
}

/**
 * Puts needles behind the last sentence end before their depth, on token ids as the original codes do: at 100 % at the very end, and in
 * front of everything when no sentence ends before the depth.
 * @throws KvError KV_INVALID_OPTION when needles and buffer leave no room
 */
export function insertNeedles(options: InsertOptions): InsertedNeedles {
  const { codec, haystack, needles, length, buffer } = options
  const ends = new Set(options.sentenceEnds ?? codec.encode('.'))
  const encoded = needles.map((needle) => codec.encode(needle))
  const room = length - buffer - encoded.reduce((sum, ids) => sum + ids.length, 0)
  if (room < 0) {
    throw new KvError(
      'KV_INVALID_OPTION',
      `${length} tokens hold neither the needles nor the ${buffer} tokens for question and answer.`,
      { hint: `Use at least ${length - room} tokens.` },
    )
  }
  let ids = codec.encode(haystack).slice(0, room)
  const starts: number[] = []
  for (const [i, needle] of encoded.entries()) {
    const depth = options.depth + (i * (100 - options.depth)) / needles.length
    const at =
      depth === 100 ? ids.length : sentenceEndBefore(ids, Math.trunc(ids.length * (depth / 100)), ends)
    ids = [...ids.slice(0, at), ...needle, ...ids.slice(at)]
    for (const [earlier, start] of starts.entries()) if (start >= at) starts[earlier] = start + needle.length
    starts.push(at)
  }
  const total = ids.length
  return { text: codec.decode(ids), depths: starts.map((start) => (100 * start) / Math.max(1, total)) }
}

/** Index behind the last sentence end in `ids[0..from)`; 0 when there is none. */
function sentenceEndBefore(ids: readonly number[], from: number, ends: ReadonlySet<number>): number {
  for (let at = from; at > 0; at--) if (ends.has(ids[at - 1] ?? NaN)) return at
  return 0
}
