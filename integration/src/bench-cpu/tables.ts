import { textTable } from '@qpkv/bench-kit'
import type { CpuBench } from './main.ts'
import type { KernelRow } from './kernels.ts'
import type { Interval } from './paired.ts'
import type { Row } from './row.ts'

const digits = (value: number): string =>
  value >= 1000 ? value.toFixed(0) : value >= 100 ? value.toFixed(1) : value.toPrecision(3)
const between = ({ low, high }: Interval): string => `${low.toFixed(2)} to ${high.toFixed(2)}`

/** The tables of one run as Markdown. */
export function markdownTables(run: CpuBench): string {
  const parts = [
    `Instruction set ${run.table}, ${run.machine.cpu}, ${run.machine.cores} cores, ${run.threads} threads; ${run.note}`,
    markdown(
      ['', 'ours, ms or MiB', 'peer', 'ratio', '95 %', 'required / wanted', 'A/A', 'rounds (dropped)'],
      run.rows.map(rowCells),
    ),
    ...(run.methods.length === 0
      ? []
      : [
          markdown(
            ['prompt of 2,048 tokens, 4 layers', 'ms', 'of the full 16-bit cache', '95 %'],
            run.methods.map(({ spec, prefillMs, ratio, interval, measured }) => [
              `\`${spec}\``,
              digits(prefillMs),
              measured ? ratio.toFixed(3) : 'not measured',
              between(interval),
            ]),
          ),
        ]),
    markdown(
      ['ceiling', 'threads', 'rate'],
      run.ceilings.map(({ ceiling, threads, rate, unit }) => [
        ceiling,
        String(threads),
        `${digits(rate)} ${unit}`,
      ]),
    ),
    markdown(['kernel, one thread', 'ms', 'rate', 'share of its ceiling'], run.kernels.map(kernelCells)),
  ]
  return `${parts.join('\n\n')}\n`
}

function rowCells(row: Row): string[] {
  const { name, ours, peer, ratio, interval, target, same, rounds, dropped, measured } = row
  return [
    name,
    digits(ours),
    peer === undefined ? '–' : digits(peer),
    ratio === undefined ? '–' : measured ? ratio.toFixed(2) : 'not measured',
    interval ? between(interval) : '–',
    target ? [...new Set(target)].map((x) => x.toFixed(2)).join(' / ') : '–',
    same ? between(same) : 'range of pairs',
    `${rounds} (${dropped})`,
  ]
}

const kernelCells = ({ kernel, milliseconds, rate, unit, ceiling, bound }: KernelRow): string[] => [
  kernel,
  digits(milliseconds),
  `${digits(rate)} ${unit}`,
  ceiling === undefined ? '–' : `${((100 * rate) / ceiling).toFixed(0)} % of ${bound}`,
]

const markdown = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

/** The rows as they come in. */
export const progressLine = (row: Row): string =>
  textTable(['', 'ours', 'peer', 'ratio', '95 %', 'target', 'A/A', 'rounds'], [rowCells(row)])
    .split('\n')
    .slice(2)
    .join('\n')
    .trimEnd()
