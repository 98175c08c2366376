/** Where progress is written; process.stderr fits. */
export interface ProgressStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

export interface ProgressOptions {
  readonly total: number
  readonly label: string
  readonly stream?: ProgressStream
  /** Milliseconds; for tests. */
  readonly now?: () => number
}

const REDRAW_MS = 100
const LINE_MS = 10_000

/** `needle ████████░░░░ 34/50  1.2 s each  19 s left`: redrawn on a terminal, a line every 10 s elsewhere. */
export class Progress {
  readonly #options: ProgressOptions
  readonly #stream: ProgressStream
  readonly #now: () => number
  readonly #begin: number
  #shown = -Infinity
  #done = 0
  #skipped = 0
  #note = ''

  constructor(options: ProgressOptions) {
    this.#options = options
    this.#stream = options.stream ?? process.stderr
    this.#now = options.now ?? (() => performance.now())
    this.#begin = this.#now()
    this.#draw()
  }

  /** Samples that an earlier run did: they count, but say nothing about the time that is left. */
  skip(count: number): void {
    this.#done += count
    this.#skipped += count
    this.#draw()
  }

  step(note = ''): void {
    this.#done += 1
    this.#note = note
    this.#draw()
  }

  /** Ends the line. */
  end(): void {
    this.#shown = -Infinity
    this.#draw()
    if (this.#stream.isTTY) this.#stream.write('\n')
  }

  #draw(): void {
    const now = this.#now()
    if (now - this.#shown < (this.#stream.isTTY ? REDRAW_MS : LINE_MS)) return
    this.#shown = now
    const text = this.text()
    this.#stream.write(this.#stream.isTTY ? `\r\u001B[2K${text}` : `${text}\n`)
  }

  /** The line as it stands. */
  text(): string {
    const { total, label } = this.#options
    const width = 20
    const filled = total === 0 ? width : Math.round((this.#done / total) * width)
    const bar = '█'.repeat(filled) + '░'.repeat(width - filled)
    return [`${label} ${bar} ${this.#done}/${total}`, this.#pace(), this.#note].filter(Boolean).join('  ')
  }

  #pace(): string {
    const measured = this.#done - this.#skipped
    if (measured === 0) return ''
    const elapsed = this.#now() - this.#begin
    const each = elapsed / measured
    const left = each * (this.#options.total - this.#done)
    return left > 0
      ? `${formatDuration(each)} each  ${formatDuration(left)} left`
      : `${formatDuration(elapsed)} in all`
  }
}

/** `850 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  const seconds = milliseconds / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return whole % 60 === 0 ? `${minutes} min` : `${minutes} min ${whole % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
