/** How one family of golden rows or files came out. */
export interface GoldenResult {
  readonly family: string
  readonly passed: number
  readonly failed: number
  /** the first few that differ: id, what was expected, what came */
  readonly firstDifferences: string[]
  /** what could not be compared, and why: a missing file or asset, lines that are no rows */
  readonly notChecked?: string
}

const DIFFERENCES_SHOWN = 5

/** The result of comparing rows: one text per difference, null per row that is equal. */
export function countDifferences(
  family: string,
  outcomes: readonly (string | null)[],
  notChecked?: string,
): GoldenResult {
  const differences = outcomes.filter((outcome) => outcome !== null)
  return {
    family,
    passed: outcomes.length - differences.length,
    failed: differences.length,
    firstDifferences: differences.slice(0, DIFFERENCES_SHOWN),
    ...(notChecked === undefined ? {} : { notChecked }),
  }
}
