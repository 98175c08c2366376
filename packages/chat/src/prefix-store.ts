import type { Context } from '@qpkv/core'
import type { PrefixFiles } from './prefix-files.ts'

interface Entry {
  /** All tokens of the context, in order. */
  readonly ids: Int32Array
  /** What else has to agree: the spec. */
  readonly key: string
  readonly context: Context
}

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
 * is a folder for them, as all do in the end. A context serves a prompt only as a whole: all its tokens begin the prompt. Forks share parts, so the count of bytes is an upper bound.
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

  /** A fork of the context that covers most of the prompt, and how many tokens that is. */
  async find(
    ids: Int32Array,
    key: string,
  ): Promise<{ readonly context: Context; readonly tokens: number } | undefined> {
    const best = this.entries
      .filter((entry) => entry.key === key && begins(ids, entry.ids))
      .reduce<Entry | undefined>((a, b) => (a && a.ids.length >= b.ids.length ? a : b), undefined)
    // Before anybody else can give it up.
    const kept = best && { context: best.context.fork(), tokens: best.ids.length }
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
      (entry) => entry.key === key && entry.ids.length === ids.length && begins(ids, entry.ids),
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

const begins = (ids: Int32Array, prefix: Int32Array) =>
  prefix.length <= ids.length && prefix.every((id, i) => ids[i] === id)
