import type { Context } from '@qpkv/core'
import type { PrefixFiles } from './prefix-files.ts'

interface Entry {
  /** All tokens of the context, in order. */
  readonly ids: Int32Array
  /** What else has to agree: the spec. */
  readonly key: string
  readonly context: Context
}

/** Fewer common tokens are not worth a context; every conversation of a model begins with some. */
const LEAST_COMMON = 16

/** What a store has done so far, and holds. */
export interface PrefixStats {
  readonly bytes: number
  readonly contexts: number
  readonly hits: number
  /** Of the hits, those that came from a file. */
  readonly opened: number
  readonly misses: number
  readonly evictions: number
}

/**
 * Contexts by their tokens, under a limit of bytes; the one that was not used for longest goes first, into a file where there
 * is a folder for them, as all do in the end. A context serves a prompt as a whole, when all its tokens begin the prompt; where nothing is to be
 * compressed, also by the tokens that both begin with. Forks share parts, so the count of bytes is an upper bound.
 */
export class PrefixStore {
  private readonly limit: number
  /** From the one used least lately on. */
  private entries: Entry[] = []
  private readonly counts = { hits: 0, opened: 0, misses: 0, evictions: 0 }
  private readonly files: PrefixFiles | undefined

  constructor(limitBytes: number, files?: PrefixFiles) {
    this.limit = limitBytes
    this.files = files
  }

  get stats(): PrefixStats {
    return { ...this.counts, bytes: this.bytes, contexts: this.entries.length }
  }

  /** As they are now: contexts may be compressed in place. */
  private get bytes(): number {
    return this.entries.reduce((sum, { context }) => sum + context.bytes, 0)
  }

  /**
   * A fork of the context that covers most of the prompt, and how many tokens that is. cut: also a context's beginning; a prompt that has to be
   * compressed would only be appended to it.
   */
  async find(
    ids: Int32Array,
    key: string,
    cut: boolean,
  ): Promise<{ readonly context: Context; readonly tokens: number } | undefined> {
    const { entry: best, tokens } = this.entries
      .filter((entry) => entry.key === key)
      .map((entry) => ({ entry, tokens: served(entry, ids, cut) }))
      .reduce<Candidate>((a, b) => (a.tokens >= b.tokens ? a : b), { tokens: 0 })
    // Before anybody else can give it up.
    const kept = best && { context: best.context.fork({ tokens }), tokens }
    if (best) this.entries = [...this.entries.filter((entry) => entry !== best), best]
    const saved = await this.files?.find(ids, key, kept?.tokens ?? 0)
    if (saved) await kept?.context.dispose()
    const found = saved ?? kept
    this.counts[found ? 'hits' : 'misses']++
    if (saved) {
      this.counts.opened++
      await this.put(ids.slice(0, saved.tokens), key, saved.context.fork())
    }
    return found
  }

  /** Takes a context over; one that is known is disposed, one that is larger than the limit goes into a file. */
  async put(ids: Int32Array, key: string, context: Context): Promise<void> {
    const { bytes } = context
    const known = this.entries.some(
      (entry) =>
        entry.key === key && entry.ids.length === ids.length && commonPrefix(entry.ids, ids) === ids.length,
    )
    if (known) {
      await context.dispose()
      return
    }
    if (bytes > this.limit) {
      await this.giveUp({ ids, key, context })
      return
    }
    this.entries.push({ ids, key, context })
    while (this.bytes > this.limit) await this.giveUpOldest()
  }

  /** Gives the one up that was not used for longest, for its memory; false: there is none. */
  async giveUpOldest(): Promise<boolean> {
    const [oldest] = this.entries
    if (!oldest) return false
    if (!this.files) this.counts.evictions++
    await this.drop(oldest)
    return true
  }

  async dispose(): Promise<void> {
    for (const entry of this.entries) await this.drop(entry)
  }

  private async drop(entry: Entry): Promise<void> {
    this.entries = this.entries.filter((other) => other !== entry)
    await this.giveUp(entry)
  }

  private async giveUp({ ids, key, context }: Entry): Promise<void> {
    try {
      this.counts.evictions += (await this.files?.put(ids, key, context)) ?? 0
    } finally {
      await context.dispose()
    }
  }
}

interface Candidate {
  readonly entry?: Entry
  readonly tokens: number
}

/** Tokens of a prompt that a context holds the beginning of; 0: it is of no use. */
function served({ ids, context }: Entry, prompt: Int32Array, cut: boolean): number {
  const common = commonPrefix(ids, prompt)
  if (common === ids.length) return common
  return cut && common >= LEAST_COMMON && context.keepsAll ? common : 0
}

function commonPrefix(a: Int32Array, b: Int32Array): number {
  const differs = a.findIndex((id, i) => id !== b[i])
  return differs < 0 ? a.length : differs
}
