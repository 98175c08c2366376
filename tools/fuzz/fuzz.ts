import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inputsOf } from './inputs.ts'
import { runChild } from './run-child.ts'

const MAX_FINDINGS = 10

export interface FuzzOptions {
  /** Name of a target of the module. */
  readonly target: string
  /** Address of the module that has `targetsIn`. */
  readonly targets: string
  /** Folder of seed inputs. */
  readonly corpus: string
  readonly seed: number
  /** Processor time. */
  readonly milliseconds: number
  /** Folder for the inputs of findings. */
  readonly found: string
}

export interface FuzzOutcome {
  readonly iterations: number
  /** By where they arise, so that one mistake is one finding: iteration, input file and error. */
  readonly findings: ReadonlyMap<string, string>
}

/**
 * Reads mutated inputs until the time is over or enough is found. What ends or hangs
 * the reading process is a finding like the others.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzOutcome> {
  const { found, milliseconds, ...order } = options
  const findings = new Map<string, string>()
  const inputs = inputsOf(order.corpus, order.seed)
  const onFinding = (iteration: number, error: string) => {
    const lines = error.split('\n')
    const place = lines.find((line) => /^\s+at /.test(line)) ?? lines[0] ?? ''
    if (!findings.has(place)) {
      const file = join(found, `${order.target}-${iteration}`)
      writeFileSync(file, inputs.at(iteration))
      findings.set(place, `  iteration ${iteration}, input ${file}\n    ${lines.slice(0, 6).join('\n    ')}`)
    }
    return findings.size < MAX_FINDINGS
  }
  let iterations = 0
  for (let left = milliseconds; left > 0 && findings.size < MAX_FINDINGS;) {
    const end = await runChild({ ...order, from: iterations, milliseconds: left }, onFinding)
    iterations = end.next
    left -= end.milliseconds
  }
  return { iterations, findings }
}
