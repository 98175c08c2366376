import type { Context } from '@qpkv/core'

interface Entry {
  /** All tokens of the context, in order. */
  readonly ids: Int32Array
  /** What else has to agree: the spec. */
  readonly key: string
  readonly context: Context
  readonly bytes: number
}

/** What a store has done so far, and holds. */
export interface PrefixStats {
  readonly bytes: number
  readonly contexts: number
  readonly hits: number
  readonly misses: number
  readonly evictions: number
}

/**
 * Contexts by their tokens, under a limit of bytes; the one that was not used for longest goes first. A context serves a
 * prompt only as a whole: all its tokens begin the prompt. Forks share parts, so the count of bytes is an upper bound.
 */
export class PrefixStore {
  private readonly limit: number
  /** From the one used least lately on. */
  private entries: Entry[] = []
  private bytes = 0
  private readonly counts = { hits: 0, misses: 0, evictions: 0 }

  constructor(limitBytes: number) {
    this.limit = limitBytes
  }

  get stats(): PrefixStats {
    return { ...this.counts, bytes: this.bytes, contexts: this.entries.length }
  }

  /** A fork of the context that covers most of the prompt, and how many tokens that is. */
  find(ids: Int32Array, key: string): { readonly context: Context; readonly tokens: number } | undefined {
    const best = this.entries
      .filter((entry) => entry.key === key && begins(ids, entry.ids))
      .reduce<Entry | undefined>((a, b) => (a && a.ids.length >= b.ids.length ? a : b), undefined)
    if (!best) {
      this.counts.misses++
      return undefined
    }
    this.counts.hits++
    this.entries = [...this.entries.filter((entry) => entry !== best), best]
    return { context: best.context.fork(), tokens: best.ids.length }
  }

  /** Takes a context over; one that is larger than the limit, or known, is disposed. */
  async put(ids: Int32Array, key: string, context: Context): Promise<void> {
    const { bytes } = context
    const known = this.entries.some(
      (entry) => entry.key === key && entry.ids.length === ids.length && begins(ids, entry.ids),
    )
    if (known || bytes > this.limit) {
      await context.dispose()
      return
    }
    this.entries.push({ ids, key, context, bytes })
    this.bytes += bytes
    while (this.bytes > this.limit) {
      this.counts.evictions++
      await this.drop(this.entries[0] as Entry)
    }
  }

  async dispose(): Promise<void> {
    for (const entry of this.entries) await this.drop(entry)
  }

  private async drop(entry: Entry): Promise<void> {
    this.entries = this.entries.filter((other) => other !== entry)
    this.bytes -= entry.bytes
    await entry.context.dispose()
  }
}

const begins = (ids: Int32Array, prefix: Int32Array) =>
  prefix.length <= ids.length && prefix.every((id, i) => ids[i] === id)
