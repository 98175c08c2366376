import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  kvpressRouge,
  needleRougeScore,
  porterStem,
  rouge1,
  rougeL,
  wordOverlap,
  type Overlap,
} from '@qpkv/bench-needle'
import { countDifferences, type GoldenResult } from '../golden-result.ts'

interface NeedleRow {
  readonly id: string
  readonly needle: string
  readonly model_response: string
  readonly rouge1_f_x10: number
  readonly rouge1: readonly number[]
  readonly rougeL: readonly number[]
  readonly visualize_score: number | null
  readonly kvpress_rouge: Readonly<Record<string, Readonly<Record<string, number>> | string>> | null
}

interface StemRow {
  readonly id: string
  readonly text: string
  readonly stem: string
}

const TOLERANCE = 1e-12

/**
 * Compare the needle's scorers with recorded rows of the original ones.
 *
 * @param directory folder with `needle.jsonl` and `porter_nltk.jsonl`, or one with a subfolder `metrics/` that holds them
 */
export async function checkGoldens(directory: string): Promise<GoldenResult[]> {
  return [
    await checkFamily<NeedleRow>(directory, 'needle', differenceInNeedle),
    await checkFamily<StemRow>(directory, 'porter_nltk', ({ text, stem }) => {
      const ours = porterStem(text)
      return ours === stem ? null : `expected ${stem} for ${text}, got ${ours}`
    }),
  ]
}

/** The first field of a needle row that our scorers do not reproduce, or null. */
function differenceInNeedle(row: NeedleRow): string | null {
  const { needle, model_response: answer } = row
  const kvpress = kvpressRouge(needle, answer)
  const pairs: [name: string, wanted: number, ours: number][] = [
    ['rouge1_f_x10', row.rouge1_f_x10, needleRougeScore(needle, answer)],
    ...overlapPairs('rouge1', row.rouge1, rouge1(needle, answer)),
    ...overlapPairs('rougeL', row.rougeL, rougeL(needle, answer)),
  ]
  if (row.visualize_score !== null) pairs.push(['visualize_score', row.visualize_score, wordOverlap(answer)])
  for (const [name, wanted] of Object.entries(row.kvpress_rouge ?? {})) {
    if (typeof wanted === 'string') {
      if (kvpress !== null) return 'kvpress_rouge: expected an error, got scores'
      continue
    }
    const ours: Readonly<Record<string, unknown>> = { ...kvpress?.[name as keyof typeof kvpress] }
    for (const part of ['r', 'p', 'f'])
      pairs.push([`${name}.${part}`, wanted[part] ?? NaN, Number(ours[part])])
  }
  const wrong = pairs.find(([, wanted, ours]) => !(Math.abs(wanted - ours) <= TOLERANCE))
  return wrong === undefined ? null : `${wrong[0]}: expected ${wrong[1]}, got ${wrong[2]}`
}

function overlapPairs(name: string, wanted: readonly number[], ours: Overlap): [string, number, number][] {
  const parts = [ours.precision, ours.recall, ours.fmeasure]
  return ['precision', 'recall', 'F'].map((part, i) => [`${name} ${part}`, wanted[i] ?? NaN, parts[i] ?? NaN])
}

async function checkFamily<Row extends { readonly id: string }>(
  directory: string,
  family: string,
  difference: (row: Row) => string | null,
): Promise<GoldenResult> {
  const nested = join(directory, 'metrics', `${family}.jsonl`)
  const path = existsSync(nested) ? nested : join(directory, `${family}.jsonl`)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    return { family, passed: 0, failed: 0, firstDifferences: [], notChecked: `${path} is missing` }
  }
  // Split at "\n" only: the rows hold U+2028 and other line ends inside their texts.
  const lines = text.split('\n').filter((line) => line !== '')
  const rows = lines.flatMap((line) => parseRow<Row>(line) ?? [])
  const outcomes = rows.map((row) => {
    const found = difference(row)
    return found === null ? null : `${row.id}: ${found}`
  })
  const unreadable = lines.length - rows.length
  return countDifferences(
    family,
    outcomes,
    unreadable === 0 ? undefined : `${unreadable} lines of ${path} are no JSON rows`,
  )
}

function parseRow<Row>(line: string): Row | null {
  try {
    return JSON.parse(line) as Row
  } catch {
    return null
  }
}
