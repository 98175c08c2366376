import { canonicalJson, compareRecords, type Results, type SampleRecord } from '@qpkv/bench-kit'
import type { Json } from '@qpkv/spec'

/** How a run and its repetition differ, as text for the terminal. */
export function repeatText(
  old: Results,
  now: Results,
  records: readonly SampleRecord[],
  ops: string | undefined,
): string {
  const again = new Map(records.map((record) => [keyOf(record), record]))
  const pairs = old.records.flatMap((record) => {
    const other = again.get(keyOf(record))
    return other ? [[record, other] as const] : []
  })
  const answers = old.records.reduce((sum, record) => sum + record.answers.length, 0)
  const equal = pairs.reduce((sum, [a, b]) => sum + equalAnswers(a, b), 0)
  // Plans of another version say the same in other words.
  const plans = planVersion(old) === planVersion(now)
  const costs = pairs.filter(([a, b]) => same(costOf(a, plans), costOf(b, plans))).length
  const lines = [
    `${equal} of ${answers} answers equal: ids, replies and scores (${old.path})`,
    `${costs} of ${old.records.length} records equal in tokens kept${plans ? ', plan' : ''} and bytes; times ${plans ? '' : 'and plans (of an older version) '}are not compared`,
  ]
  const fresh = records.length - pairs.length
  if (fresh > 0) lines.push(`${fresh} records are new: that file had not come so far`)
  if (equal < answers || costs < old.records.length) lines.push(...why(old, pairs, ops))
  return `${lines.join('\n')}\n`
}

const keyOf = ({ sample, spec }: SampleRecord) => `${sample}\0${spec}`
const same = (a: unknown, b: unknown) => canonicalJson(a as Json) === canonicalJson(b as Json)

const planVersion = ({ plans }: Results): unknown => [...plans.values()][0]?.plan.planVersion

function equalAnswers(a: SampleRecord, b: SampleRecord): number {
  const others = new Map(b.answers.map((answer) => [answer.id, answer]))
  return a.answers.filter((answer) => same(answer, others.get(answer.id) ?? null)).length
}

/** What determinism promises beside the answers. */
const costOf = ({ promptTokens, tokensKept, plan, bytes }: SampleRecord, plans: boolean) => ({
  promptTokens,
  tokensKept,
  plan: (plans && plan) || null,
  bytes,
})

function why(
  old: Results,
  pairs: readonly (readonly [SampleRecord, SampleRecord])[],
  ops: string | undefined,
): string[] {
  const lines: string[] = []
  const before = old.header.versions['ops']
  if (before !== undefined && ops !== undefined && tableOf(before) !== tableOf(ops))
    lines.push(
      `that run used the op table ${tableOf(before)}, this one ${tableOf(ops)}: add --table to repeat it to the letter`,
    )
  const metric = Object.keys(pairs[0]?.[0].answers[0]?.scores ?? {})[0]
  if (metric === undefined) return lines
  const { delta, interval } = compareRecords(
    { label: old.path, records: pairs.map(([a]) => a) },
    { label: 'again', records: pairs.map(([, b]) => b) },
    { metric },
  )
  const [low, high] = [interval.low.toFixed(4), interval.high.toFixed(4)]
  return [...lines, `mean ${metric} changed by ${delta.toFixed(4)} (95 % ${low} to ${high})`]
}

/** `avx512, bf16, 2 threads` without the threads, which change nothing. */
const tableOf = (ops: string) => ops.replace(/, \d+ threads?$/, '')
