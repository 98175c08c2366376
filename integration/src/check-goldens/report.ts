/** What a family of vectors gave, for one op table (or none, where no kernel is involved). */
export interface FamilyResult {
  readonly family: string
  readonly table?: string
  readonly passed: number
  readonly failed: number
  /** The first few differences, one line each. */
  readonly firstDifferences: readonly string[]
  /** A measured figure that goes with the counts. */
  readonly note?: string
  /** Why nothing (or not everything) was checked; no failure. */
  readonly notChecked?: string
  /** Methods that the vectors name and that do not exist here yet. */
  readonly missingMethods?: readonly string[]
  /** The values came from a `roundTrip` hook, as the profile itself runs, not from packed tiles. */
  readonly simulated?: boolean
}

/** Counts cases of one family. */
export class Tally {
  passed = 0
  failed = 0
  readonly differences: string[] = []
  readonly missing = new Set<string>()
  constructor(
    readonly family: string,
    readonly table?: string,
  ) {}

  /** Records a case; `problem` is the first difference, or undefined when it agrees. */
  record(id: string, problem: string | undefined): void {
    if (problem === undefined) this.passed++
    else {
      this.failed++
      if (this.differences.length < 5) this.differences.push(`${id}: ${problem}`)
    }
  }

  result(extra: Partial<FamilyResult> = {}): FamilyResult {
    return {
      family: this.family,
      ...(this.table === undefined ? {} : { table: this.table }),
      passed: this.passed,
      failed: this.failed,
      firstDifferences: this.differences,
      ...(this.missing.size > 0 ? { missingMethods: [...this.missing].sort() } : {}),
      ...extra,
    }
  }
}

/** One line per family, differences below it. */
export function formatResult(result: FamilyResult): string {
  const where = [result.table, result.simulated ? 'simulated' : undefined].filter(Boolean).join(', ')
  const head = `${result.family}${where ? ` [${where}]` : ''}`.padEnd(44)
  const counts = result.passed + result.failed > 0 ? `${result.passed} passed, ${result.failed} failed` : ''
  const lines = [
    `${head} ${[counts, result.note ?? '', result.notChecked ? `not checked: ${result.notChecked}` : ''].filter(Boolean).join('; ')}`,
  ]
  for (const difference of result.firstDifferences) lines.push(`    ${difference}`)
  if (result.missingMethods?.length)
    lines.push(`    methods not there yet: ${result.missingMethods.join(', ')}`)
  return lines.join('\n')
}
