/**
 * Holds back text that could be the beginning of a stop string, and cuts at the first one that is complete. Special tokens
 * take part in the search, though they are no text to show.
 */
export class StopStrings {
  private readonly stops: readonly string[]
  private held = ''
  /** For each unit of `held` whether it is shown. */
  private shown: boolean[] = []
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
    return this.take(text, true)
  }

  /** Takes the text of a token that is not shown. */
  pushHidden(text: string): string {
    return this.stops.length > 0 ? this.take(text, false) : ''
  }

  /** The rest, when no more text comes. */
  flush(): string {
    return this.stopped ? '' : this.release(this.held.length)
  }

  private take(text: string, shown: boolean): string {
    if (this.stopped) return ''
    this.held += text
    for (let i = 0; i < text.length; i++) this.shown.push(shown)
    const at = this.firstStop()
    if (at >= 0) {
      this.stopped = true
      return this.release(at)
    }
    return this.release(this.held.length - this.openLength())
  }

  private release(length: number): string {
    let out = ''
    for (let i = 0; i < length; i++) if (this.shown[i]) out += this.held[i]
    this.held = this.held.slice(length)
    this.shown = this.shown.slice(length)
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
