import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { Mutant } from './write-mutants.ts'

export interface Outcome extends Mutant {
  /** The test that caught it and how ('Matmul fails', 'Matmul hangs', 'Matmul ends'); null: it survived. */
  readonly by: string | null
  /** Whether any test comes by it. */
  readonly reached: boolean
}

const key = ({ file, change, text, before }: Mutant): string => [file, change, text, before].join('|')

/** What was found of a build, a line each as it came, so that a run that was ended goes on where it stopped. */
export class Outcomes {
  private readonly known = new Map<string, Outcome>()

  constructor(
    private readonly path: string,
    private readonly built: string,
  ) {
    if (!existsSync(path)) return
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      // The last line may have been cut off.
      if (!line.endsWith('}')) continue
      const { built: of, ...outcome } = JSON.parse(line) as Outcome & { built: string }
      if (of === built) this.known.set(key(outcome), outcome)
    }
  }

  get(mutant: Mutant): Outcome | undefined {
    return this.known.get(key(mutant))
  }

  add(outcome: Outcome): void {
    this.known.set(key(outcome), outcome)
    appendFileSync(this.path, `${JSON.stringify({ built: this.built, ...outcome })}\n`)
  }
}
