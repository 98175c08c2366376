import { isId, wrong, type Part } from './part.ts'
import type { Steps, WordModel } from './word-model.ts'

/** Pairs are numbers: first id times this plus second id. */
const SPAN = 2 ** 26
/** Ranks of merges and places in a word are one number in the queue. */
const PLACES = 2 ** 32
/** Characters or merges between two looks at the clock. */
const WORK_PER_STEP = 2048
const CACHED_LENGTH = 256
const CACHED_WORDS = 20_000

/** Byte-pair encoding as the tokenizers library does it: of all neighbors the pair of the lowest rank becomes one token, leftmost first. */
export function readBpe(part: Part): WordModel {
  const vocab = readVocab(part)
  const prefix = part.text('continuing_subword_prefix', '')
  const suffix = part.text('end_of_word_suffix', '')
  const unknown = part.raw('unk_token') === undefined ? undefined : part.text('unk_token')
  const fuse = part.flag('fuse_unk', false)
  const bytes = part.flag('byte_fallback', false) ? byteTokens(vocab) : undefined
  const whole = part.flag('ignore_merges', false)
  if (part.raw('dropout')) throw wrong('none', `dropout in ${part.path}`, part.raw('dropout')) // drops merges at random, in training
  const merges = readMerges(part, vocab, prefix)
  const cache = new Map<string, readonly number[]>()

  function* symbols(word: string): Steps<number[]> {
    const ids: number[] = []
    let open: number | undefined
    let at = 0
    for (const character of word) {
      const first = at === 0
      at += character.length
      const text = (first ? '' : prefix) + character + (at === word.length ? suffix : '')
      const id = vocab.get(text)
      if (at % WORK_PER_STEP === 0) yield
      if (id === undefined) {
        const fallback = bytes?.(text)
        if (fallback) ids.push(...fallback)
        else if (unknown !== undefined) {
          if (open !== undefined && !fuse) ids.push(open)
          open = unknownId(vocab, unknown, part)
        }
        continue
      }
      if (open !== undefined) ids.push(open)
      open = undefined
      ids.push(id)
    }
    if (open !== undefined) ids.push(open)
    return ids
  }

  return part.done({
    vocab,
    *encode(word): Steps<readonly number[]> {
      const id = whole ? vocab.get(word) : undefined
      if (id !== undefined) return [id]
      const known = cache.get(word)
      if (known) return known
      const ids = yield* merge(yield* symbols(word), merges)
      if (word.length < CACHED_LENGTH) {
        if (cache.size >= CACHED_WORDS) cache.clear()
        cache.set(word, ids)
      }
      return ids
    },
  })
}

function unknownId(vocab: ReadonlyMap<string, number>, token: string, part: Part): number {
  const id = vocab.get(token)
  if (id === undefined) throw wrong('a token of the vocabulary', `unk_token in ${part.path}`, token)
  return id
}

/** Token texts to ids, each checked. */
export function readVocab(part: Part): Map<string, number> {
  const given = part.raw('vocab')
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw wrong('an object', `vocab in ${part.path}`, given)
  const vocab = new Map<string, number>()
  for (const [token, id] of Object.entries(given)) {
    if (!isId(id)) throw wrong('a token id', `${JSON.stringify(token)} in the vocab of ${part.path}`, id)
    vocab.set(token, id)
  }
  return vocab
}

/** The tokens `<0x00>` to `<0xFF>` for the bytes of a text; undefined where one is missing. */
export function byteTokens(vocab: ReadonlyMap<string, number>) {
  const ids = Array.from({ length: 256 }, (_, byte) =>
    vocab.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  )
  const encoder = new TextEncoder()
  return (text: string): number[] | undefined => {
    const found = [...encoder.encode(text)].map((byte) => ids[byte])
    return found.every((id) => id !== undefined) ? found : undefined
  }
}

interface Merges {
  /** Pair to rank. */
  readonly ranks: ReadonlyMap<number, number>
  /** Rank to the merged token. */
  readonly ids: readonly number[]
}

function readMerges(part: Part, vocab: ReadonlyMap<string, number>, prefix: string): Merges {
  const ranks = new Map<number, number>()
  const ids: number[] = []
  for (const [i, entry] of part.list('merges').entries()) {
    if (typeof entry === 'string' && entry.startsWith('#version')) continue
    const pair: unknown = typeof entry === 'string' ? entry.split(' ') : entry
    const [first, second] = Array.isArray(pair) && pair.length === 2 ? (pair as unknown[]) : []
    if (typeof first !== 'string' || typeof second !== 'string')
      throw wrong('two tokens', `merges[${i}] of ${part.path}`, entry)
    const [a, b] = [vocab.get(first), vocab.get(second)]
    const merged = vocab.get(first + second.slice(second.startsWith(prefix) ? prefix.length : 0))
    if (a === undefined || b === undefined || merged === undefined)
      throw wrong('tokens of the vocabulary', `merges[${i}] of ${part.path}`, entry)
    ranks.set(a * SPAN + b, ids.length)
    ids.push(merged)
  }
  return { ranks, ids }
}

/** Merges neighbors until none has a rank. Symbols are a linked list; the queue may hold pairs that are gone. */
function* merge(symbols: number[], { ranks, ids }: Merges): Steps<readonly number[]> {
  const count = symbols.length
  if (count < 2) return symbols
  const next = new Int32Array(count).fill(-1)
  const previous = new Int32Array(count).fill(-1)
  const queue = new Queue()
  const rankAt = (left: number) => {
    const right = next[left] ?? -1
    return right < 0 ? undefined : ranks.get((symbols[left] ?? 0) * SPAN + (symbols[right] ?? 0))
  }
  const offer = (left: number) => {
    const rank = left < 0 ? undefined : rankAt(left)
    if (rank !== undefined) queue.push(rank * PLACES + left)
  }
  for (let i = 0; i < count - 1; i++) {
    if (i % WORK_PER_STEP === WORK_PER_STEP - 1) yield
    next[i] = i + 1
    previous[i + 1] = i
    offer(i)
  }
  for (let done = 1; ; done++) {
    if (done % WORK_PER_STEP === 0) yield
    const least = queue.pop()
    if (least === undefined) break
    const left = least % PLACES
    const rank = (least - left) / PLACES
    const right = next[left] ?? -1
    // Gone: one of the two was merged with another neighbor since.
    if (right < 0 || symbols[left] === GONE || ids[rankAt(left) ?? -1] !== ids[rank]) continue
    symbols[left] = ids[rank] ?? 0
    symbols[right] = GONE
    const after = next[right] ?? -1
    next[left] = after
    if (after >= 0) previous[after] = left
    offer(previous[left] ?? -1)
    offer(left)
  }
  return symbols.filter((id) => id !== GONE)
}

const GONE = -1

/** The least number first. */
class Queue {
  private readonly heap: number[] = []

  push(value: number): void {
    const { heap } = this
    let at = heap.push(value) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] ?? 0
      if (above <= value) break
      heap[at] = above
      at = parent
    }
    heap[at] = value
  }

  pop(): number | undefined {
    const { heap } = this
    const least = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return least
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && (heap[child + 1] ?? 0) < (heap[child] ?? 0)) child++
      const below = heap[child] ?? 0
      if (below >= last) break
      heap[at] = below
      at = child
    }
    heap[at] = last
    return least
  }
}
