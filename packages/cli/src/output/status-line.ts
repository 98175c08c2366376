import type { Output } from '../io.ts'

/** One line on a terminal that is written over; elsewhere nothing, so that logs stay short. */
export class StatusLine {
  private readonly output: Output
  private shown = false

  constructor(output: Output) {
    this.output = output
  }

  show(text: string): void {
    if (this.output.isTTY !== true) return
    this.output.write(`\r\u001B[2K${text}`)
    this.shown = true
  }

  clear(): void {
    if (this.shown) this.output.write('\r\u001B[2K')
    this.shown = false
  }
}
