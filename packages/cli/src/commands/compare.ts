import {
  compareRecords,
  compareResults,
  readResults,
  type Comparison,
  type Results,
  textTable,
  withHolm,
} from '@qpkv/bench-kit'
import { KvError, printSpec } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { wholeNumber } from '../options/numbers.ts'
import { jsonText, put } from '../output/put.ts'
import { UsageError } from '../usage-error.ts'

interface CompareFlags {
  readonly metric?: string
  readonly worst: number
  readonly json?: string
  readonly specA?: readonly string[]
  readonly specB?: readonly string[]
}

/** `qpkv compare A B`: the same samples twice, pair by pair. */
export function addCompare(program: Command, io: Io): void {
  program
    .command('compare')
    .description('B against A, sample by sample: mean difference, interval, exact test, worst samples')
    .argument('<A>', 'a result file')
    .argument('[B]', 'another one of the same task; left out: A itself, with --spec-a and --spec-b')
    .option(
      '--spec-a <TEXT>',
      'this row of A only, by its label or text form; once a pair, or one for all',
      append,
    )
    .option('--spec-b <TEXT>', 'against this row of B; p is corrected (Holm) for all pairs given', append)
    .option('--metric <NAME>', 'which score (default: the first)')
    .option(
      '--worst <N>',
      'how many of the worst samples are listed; 0: one table of all comparisons',
      wholeNumber(0),
      10,
    )
    .option('--json <FILE>', 'write the comparisons as JSON, too')
    .action(async (a: string, b: string | undefined, flags: CompareFlags) => {
      const { metric, worst, json, specA, specB } = flags
      if (b === undefined && (specA === undefined || specB === undefined))
        throw new UsageError('Expected a second file, or --spec-a and --spec-b.')
      const first = await readResults(a)
      const second = b === undefined ? first : await readResults(b)
      const name = metric ?? Object.keys(first.records[0]?.answers[0]?.scores ?? {})[0] ?? 'exact'
      const options = { metric: name, worst }
      const comparisons =
        specA === undefined && specB === undefined
          ? compareResults(first, second, options)
          : withHolm(
              pairsOf(specA ?? specB, specB ?? specA).map(([rowA, rowB]) =>
                compareRecords(rowOf(first, rowA, b), rowOf(second, rowB, b), options),
              ),
            )
      io.stdout.write(worst === 0 ? comparisonTable(comparisons) : comparisons.map(comparisonText).join(''))
      if (json !== undefined) await put(json, jsonText(comparisons))
    })
}

const append = (text: string, before: readonly string[] = []) => [...before, text]

/** Which row against which: in order, or one row against each of the others. */
function pairsOf(a: readonly string[] = [], b: readonly string[] = []): [string, string][] {
  if (a.length !== b.length && a.length !== 1 && b.length !== 1)
    throw new UsageError(
      `Expected as many --spec-b as --spec-a, or one for all, but got ${a.length} and ${b.length}.`,
    )
  const count = Math.max(a.length, b.length)
  return Array.from({ length: count }, (_, i) => [a[i] ?? a[0] ?? '', b[i] ?? b[0] ?? ''])
}

/** The records of one row; its label or its text form names it. The file is said only where there are two. */
function rowOf({ path, specs, records }: Results, text: string, other: string | undefined) {
  const line = [...specs.values()].find(({ label, spec }) => label === text || printSpec(spec) === text)
  if (!line) {
    throw new KvError('KV_CONFLICT', `${path} has no row ${text}.`, {
      hint: `It has: ${[...specs.values()].map(({ label }) => label).join(', ')}.`,
    })
  }
  const label = other === undefined ? line.label : `${line.label} (${path})`
  return { label, records: records.filter(({ spec }) => spec === line.id) }
}

const signed = (value: number) => `${value >= 0 ? '+' : ''}${value.toFixed(4)}`

/** How sure the difference is; of many rows only what Holm leaves counts. */
function testText({ mcnemar, p, pHolm }: Comparison): string {
  const split = mcnemar ? `, only A right ${mcnemar.onlyA}, only B right ${mcnemar.onlyB}` : ''
  const tests = [
    ...(mcnemar ? [`exact McNemar p = ${mcnemar.p.toPrecision(2)}`] : []),
    ...(mcnemar?.p === p || Number.isNaN(p) ? [] : [`Student's p over samples = ${p.toPrecision(2)}`]),
    ...(pHolm === undefined ? [] : [`${pHolm.toPrecision(2)} by Holm over all comparisons`]),
  ]
  return `${split}${tests.length === 0 ? '' : ` (${tests.join(', ')})`}`
}

/** All comparisons, a line each. */
function comparisonTable(comparisons: readonly Comparison[]): string {
  const digits = (value: number | undefined) => (value === undefined ? '' : value.toPrecision(2))
  return textTable(
    ['A', 'B', 'samples', 'A', 'B', 'B - A', '95 % interval', 'p', 'p (Holm)'],
    comparisons.map(({ a, b, samples, meanA, meanB, delta, interval, p, pHolm }) => [
      a,
      b,
      String(samples),
      meanA.toFixed(4),
      meanB.toFixed(4),
      signed(delta),
      `${signed(interval.low)} to ${signed(interval.high)}`,
      digits(p),
      digits(pHolm),
    ]),
  )
}

function comparisonText(one: Comparison): string {
  const { delta, interval, worst, designEffect, answers } = one
  const lost = worst.filter((sample) => sample.delta < 0)
  const list =
    lost.length === 0
      ? 'No sample is worse in B.\n'
      : `Worst in B:\n${textTable(
          ['sample', 'A', 'B', 'B - A'],
          lost.map((sample) => [
            sample.sample,
            sample.a.toFixed(3),
            sample.b.toFixed(3),
            signed(sample.delta),
          ]),
        )}`
  return [
    `A: ${one.a}\nB: ${one.b}\n`,
    `${one.metric} on ${one.samples} samples${answers === one.samples ? '' : ` (${answers} answers, design effect ${designEffect.toFixed(1)})`}: A ${one.meanA.toFixed(4)}, B ${one.meanB.toFixed(4)}, `,
    `B - A ${signed(delta)} (95 % ${signed(interval.low)} to ${signed(interval.high)})${testText(one)}\n`,
    `${list}\n`,
  ].join('')
}
