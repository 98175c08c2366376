import { TemplateError } from './values.ts'

/** Longest text, in UTF-16 units, and longest list that a template may build. */
const MAX_TEXT = 1 << 24
const MAX_LIST = 1 << 20
/** Units that all texts and lists of one rendering may have together, an item counted as eight. */
const MAX_BUILT = 1 << 28
const UNITS_PER_ITEM = 8
/** As in Jinja2's sandbox. */
export const MAX_RANGE = 100_000
/** Deepest nesting of calls and loops. */
const MAX_DEPTH = 200
/** Steps between two looks at the clock. */
const STEPS_PER_LOOK = 32

/** A rendering waits for nothing, so there is one at a time. */
let built = 0

export function checkText(text: string): string {
  requireText(text.length)
  return text
}

export function requireText(length: number): void {
  if (length > MAX_TEXT) throw new TemplateError(`built a text of more than ${MAX_TEXT} characters`)
  count(length)
}

export function requireList(length: number): void {
  if (length > MAX_LIST) throw new TemplateError(`built a list of more than ${MAX_LIST} items`)
  count(length * UNITS_PER_ITEM)
}

function count(units: number): void {
  built += units
  if (built > MAX_BUILT) throw new TemplateError('built more than it may')
}

/** What a rendering may take: a template is data from outside, and need not end. */
export class Limits {
  private readonly timeoutMs: number
  private readonly deadline: number
  private steps = 0
  private depth = 0

  constructor(timeoutMs: number) {
    built = 0
    this.timeoutMs = timeoutMs
    this.deadline = performance.now() + timeoutMs
  }

  step(): void {
    if (++this.steps % STEPS_PER_LOOK === 0 && performance.now() > this.deadline)
      throw new TemplateError(`took longer than ${this.timeoutMs / 1000} s and was ended`)
  }

  nested<T>(work: () => T): T {
    if (++this.depth > MAX_DEPTH) throw new TemplateError(`nested its calls deeper than ${MAX_DEPTH}`)
    try {
      return work()
    } finally {
      this.depth--
    }
  }
}
