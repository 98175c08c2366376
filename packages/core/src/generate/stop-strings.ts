/**
 * Holds back text that could be the beginning of a stop string, and cuts at the first one that is complete.
 */
export class StopStrings {
  private readonly stops: readonly string[]
  private held = ''
  private stopped = false

  constructor(stops: readonly string[]) {
    this.stops = stops.filter((stop) => stop !== '')
  }

  /** Whether a stop string has been seen; nothing comes out after it. */
  get done(): boolean {
    return this.stopped
  }

  /** Takes new text, gives back what is safe to show. */
  push(text: string): string {
    if (this.stopped) return ''
    this.held += text
    const at = this.firstStop()
    if (at >= 0) {
      this.stopped = true
      return this.release(at)
    }
    return this.release(this.held.length - this.openLength())
  }

  /** The rest, when no more text comes. */
  flush(): string {
    return this.stopped ? '' : this.release(this.held.length)
  }

  private release(length: number): string {
    const out = this.held.slice(0, length)
    this.held = this.held.slice(length)
    return out
  }

  private firstStop(): number {
    const found = this.stops.map((stop) => this.held.indexOf(stop)).filter((at) => at >= 0)
    return found.length > 0 ? Math.min(...found) : -1
  }

  /** Length of the longest end of the held text that begins a stop string. */
  private openLength(): number {
    let longest = 0
    for (const stop of this.stops)
      for (let n = Math.min(stop.length - 1, this.held.length); n > longest; n--)
        if (this.held.endsWith(stop.slice(0, n))) longest = n
    return longest
  }
}
