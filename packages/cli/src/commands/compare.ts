import { writeFile } from 'node:fs/promises'
import { compareResults, readResults, type Comparison } from '@qpkv/bench-kit'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { wholeNumber } from '../options/numbers.ts'
import { table } from '../output/text-table.ts'

interface CompareFlags {
  readonly metric?: string
  readonly seed: number
  readonly worst: number
  readonly json?: string
}

/** `qpkv compare A B`: the same samples twice, pair by pair. */
export function addCompare(program: Command, io: Io): void {
  program
    .command('compare')
    .description('B against A, sample by sample: mean difference, interval, exact test, worst samples')
    .argument('<A>', 'a result file')
    .argument('<B>', 'another one of the same task')
    .option('--metric <NAME>', 'which score (default: the first)')
    .option('--seed <N>', 'of the bootstrap', wholeNumber(0), 1)
    .option('--worst <N>', 'how many of the worst samples are listed', wholeNumber(0), 10)
    .option('--json <FILE>', 'write the comparisons as JSON, too')
    .action(async (a: string, b: string, { metric, seed, worst, json }: CompareFlags) => {
      const [first, second] = [await readResults(a), await readResults(b)]
      const name = metric ?? Object.keys(first.records[0]?.answers[0]?.scores ?? {})[0] ?? 'exact'
      const comparisons = compareResults(first, second, { metric: name, seed, worst })
      for (const one of comparisons) io.stdout.write(comparisonText(one))
      if (json !== undefined) await writeFile(json, `${JSON.stringify(comparisons, undefined, 2)}\n`)
    })
}

const signed = (value: number) => `${value >= 0 ? '+' : ''}${value.toFixed(4)}`

function comparisonText(one: Comparison): string {
  const { delta, interval, mcnemar, worst } = one
  const test =
    mcnemar === undefined
      ? ''
      : `, only A right ${mcnemar.onlyA}, only B right ${mcnemar.onlyB} (exact McNemar p = ${mcnemar.p.toPrecision(2)})`
  const lost = worst.filter((sample) => sample.delta < 0)
  const list =
    lost.length === 0
      ? 'No sample is worse in B.\n'
      : `Worst in B:\n${table(
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
    `${one.metric} on ${one.samples} samples: A ${one.meanA.toFixed(4)}, B ${one.meanB.toFixed(4)}, `,
    `B - A ${signed(delta)} (95 % ${signed(interval.low)} to ${signed(interval.high)})${test}\n`,
    `${list}\n`,
  ].join('')
}
