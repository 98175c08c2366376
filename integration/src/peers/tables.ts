import { readFileSync, writeFileSync } from 'node:fs'
import { markdownTable } from '@qpkv/bench-kit'
import type { CacheRow } from './caches.ts'
import type { CachePair } from './paired-caches.ts'
import type { PrunerRow } from './pruners.ts'

const percent = (share: number, digits = 0) => `${(100 * share).toFixed(digits)} %`

const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  markdownTable({
    columns: head.map((title, i) => ({ title, align: i === 0 ? 'left' : 'right' })),
    rows: rows.map((cells) => ({ cells })),
  })

export const prunersTable = (rows: readonly PrunerRow[], prompts: number) =>
  table(
    [
      'rule',
      'same tokens',
      'same answers',
      'right here / there',
      'KL here / there',
      'same likeliest token here / there',
    ],
    rows.map((row) => [
      row.method,
      percent(row.sameTokens, 2),
      `${row.sameAnswers} of ${prompts}`,
      `${row.rightHere} / ${row.rightThere}`,
      `${row.klHere.toFixed(4)} / ${row.klThere.toFixed(4)}`,
      `${percent(row.top1Here, 1)} / ${percent(row.top1There, 1)}`,
    ]),
  )

export const cachesTable = (rows: readonly CacheRow[]) =>
  table(
    [
      'program and cache',
      'bytes of its 16-bit cache',
      'right answers',
      'KL, nats',
      'same likeliest token',
      'first token',
      'later tokens',
    ],
    rows.map((row) => [
      `${row.program}: ${row.cache === 'full' ? 'all, 16 bit' : row.cache}`,
      percent(row.share, 1),
      `${percent(row.right)} (${percent(row.rightInterval.low)} to ${percent(row.rightInterval.high)})`,
      row.cache === 'full'
        ? '0'
        : `${row.kl.toPrecision(2)} (${row.klInterval.low.toPrecision(2)} to ${row.klInterval.high.toPrecision(2)})`,
      percent(row.top1, 1),
      `${row.prefillMs.toFixed(0)} ms`,
      `${row.tokenMs.toFixed(1)} ms`,
    ]),
  )

export const pairsTable = (pairs: readonly CachePair[]) =>
  table(
    ['first', 'second', 'right only in the first / second', 'p (Holm)', 'KL, first less second', 'p (Holm)'],
    pairs.map((pair) => [
      pair.first.join(': '),
      pair.second.join(': '),
      `${pair.onlyFirstRight} / ${pair.onlySecondRight}`,
      pair.answersP.toPrecision(2),
      `${pair.klDifference.toFixed(3)} (${pair.klInterval.low.toFixed(3)} to ${pair.klInterval.high.toFixed(3)})`,
      pair.klP.toPrecision(2),
    ]),
  )

/** Puts the table of a part between the page's two marks for it. */
export function writeIntoPage(path: string, part: 'pruners' | 'caches' | 'pairs', table: string): void {
  const [begin, end] = [`<!-- ${part}: begin -->`, `<!-- ${part}: end -->`]
  const page = readFileSync(path, 'utf8')
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${path} lacks the lines ${begin} and ${end}.`)
  writeFileSync(path, `${page.slice(0, from + begin.length)}\n\n${table}\n\n${page.slice(to)}`)
}
