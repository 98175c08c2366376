import {
  mean,
  orDash,
  specIdOf,
  stratifiedMean,
  textTable as table,
  type NamedSpec,
  type SampleRecord,
} from '@qpkv/bench-kit'

/** A row per spec: share of the full cache's bytes, perplexity, and the distance from the full cache with its 95 % interval over blocks. */
export function textTable(records: readonly SampleRecord[], specs: readonly NamedSpec[]): string {
  const rows = specs.map(({ label, spec }) => {
    const mine = records.filter((record) => record.spec === specIdOf(spec))
    const scores = (name: string) =>
      mine.flatMap(({ answers }) => answers.flatMap((answer) => answer.scores[name] ?? []))
    const share = mean(mine.map(({ bytes }) => bytes.planned / bytes.full))
    const nll = mean(scores('nll'))
    return [
      label,
      share === undefined ? '-' : `${(100 * share).toFixed(1)} %`,
      orDash(nll === undefined ? undefined : Math.exp(nll), 3),
      orDash(mean(scores('kl')), 4),
      interval(scores('kl'), 4),
      orDash(mean(scores('top1')), 3),
      interval(scores('top1'), 3),
      String(mine.length),
    ]
  })
  return table(['spec', 'bytes', 'perplexity', 'KL nats', '95 %', 'top-1', '95 %', 'blocks'], rows)
}

function interval(values: readonly number[], digits: number): string {
  if (values.length < 2) return '-'
  const { low, high } = stratifiedMean([values])
  return `${low.toFixed(digits)} to ${high.toFixed(digits)}`
}
