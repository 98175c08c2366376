/** Lets the text of a reply out as long as it cannot be the beginning of a call; what follows is held until the end. */
export class CallGate {
  private readonly opening: string
  private held = ''
  private said = false
  private closed: boolean

  /** `closed`: the reply is a call from its first token on. */
  constructor(opening: string, closed = false) {
    this.opening = opening.trim()
    this.closed = closed
  }

  /** Takes shown text, gives back what is no call. */
  push(text: string): string {
    this.held += text
    if (this.closed) return ''
    if (this.opening === '') return this.pushBare()
    const at = this.held.indexOf(this.opening)
    if (at >= 0) this.closed = true
    return this.release(at >= 0 ? at : this.held.length - this.openLength())
  }

  /** Takes a control token, which is not shown: one of the opening closes the gate. */
  pushControl(token: string): void {
    if (token !== '' && this.opening.includes(token)) this.closed = true
  }

  /** What was held, when it is no call after all. */
  rest(): string {
    return this.release(this.held.length)
  }

  /** Without an opening a call is the whole reply, and JSON. */
  private pushBare(): string {
    const begin = this.held.trimStart()
    if (!this.said && (begin === '' || begin.startsWith('{') || begin.startsWith('['))) return ''
    this.said = true
    return this.release(this.held.length)
  }

  private release(length: number): string {
    const out = this.held.slice(0, length)
    this.held = this.held.slice(length)
    return out
  }

  /** Length of the longest end of the held text that begins the opening. */
  private openLength(): number {
    let length = Math.min(this.opening.length - 1, this.held.length)
    while (length > 0 && !this.held.endsWith(this.opening.slice(0, length))) length--
    return length
  }
}
