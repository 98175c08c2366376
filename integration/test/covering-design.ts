/**
 * Rows that hold every pair of levels of every two factors at least once (a covering design of strength 2). Greedy and
 * without chance: each row begins with the first pair that is missing and takes, factor by factor, the level that brings
 * most missing pairs; of equally good ones that which was used least. `one`: only pairs with a level of that factor count.
 */
export function coverPairs(factors: readonly (readonly string[])[], one?: number): string[][] {
  const key = (f: number, a: string, g: number, b: string) =>
    f < g ? `${f} ${a}|${g} ${b}` : `${g} ${b}|${f} ${a}`
  const missing = new Set<string>()
  const used = new Map<string, number>()
  for (const [f, levels] of factors.entries())
    for (const [g, others] of factors.entries())
      if (f < g && (one === undefined || f === one || g === one))
        for (const a of levels) for (const b of others) missing.add(key(f, a, g, b))
  const rows: string[][] = []
  while (missing.size > 0) {
    const [first] = missing
    const row: (string | undefined)[] = factors.map(() => undefined)
    for (const part of first!.split('|'))
      row[Number(part.split(' ', 1)[0])] = part.slice(part.indexOf(' ') + 1)
    for (const [f, levels] of factors.entries()) {
      if (row[f] !== undefined) continue
      const gain = (level: string) =>
        row.filter((other, g) => other !== undefined && missing.has(key(f, level, g, other))).length
      row[f] = [...levels].sort(
        (a, b) => gain(b) - gain(a) || (used.get(`${f} ${a}`) ?? 0) - (used.get(`${f} ${b}`) ?? 0),
      )[0]!
    }
    const whole = row as string[]
    for (const [f, a] of whole.entries()) {
      used.set(`${f} ${a}`, (used.get(`${f} ${a}`) ?? 0) + 1)
      for (const [g, b] of whole.entries()) if (f < g) missing.delete(key(f, a, g, b))
    }
    rows.push(whole)
  }
  return rows
}

/** Every combination of levels. */
export const fullProduct = (factors: readonly (readonly string[])[]): string[][] =>
  factors.reduce<string[][]>(
    (rows, levels) => rows.flatMap((row) => levels.map((level) => [...row, level])),
    [[]],
  )
