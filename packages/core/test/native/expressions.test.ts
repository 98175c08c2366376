import { evaluateScore } from '@qpkv/reference'
import { checkScore, scoreOperations, statistics, type ScoreInput, type Statistic } from '@qpkv/spec'
import { describe, expect, test } from 'vitest'
import { addon, tables } from './support/open-model.ts'
import { randomValues } from './support/random-values.ts'

/*
 * Every statistic and every operation, as a plan says it, natively on every table against the interpreter of
 * @qpkv/reference. A new one that has no case here is measured with its defaults.
 */

const [tokens, queryHeads, kvHeads, headDim, hidden, last] = [150, 4, 2, 16, 24, 8]
const q = randomValues(tokens * queryHeads * headDim, 1) // [tokens, queryHeads, headDim]
const qBefore = randomValues(q.length, 2)
const k = randomValues(kvHeads * tokens * headDim, 3)
const kBefore = randomValues(k.length, 4)
const v = randomValues(k.length, 5)
const outputWeight = randomValues(hidden * queryHeads * headDim, 6)
const ropeInvFreq = Float32Array.from({ length: headDim / 2 }, (_, i) => 1e4 ** ((-2 * i) / headDim))

/** [tokens, heads, headDim] -> [heads, tokens, headDim] */
function headsFirst(x: Float32Array, count = tokens): Float32Array {
  const out = new Float32Array(x.length)
  for (let t = 0; t < count; t++)
    for (let h = 0; h < queryHeads; h++)
      out.set(
        x.subarray((t * queryHeads + h) * headDim, (t * queryHeads + h + 1) * headDim),
        (h * count + t) * headDim,
      )
  return out
}
/** The prompt is repeated in two parts, each behind five other tokens. */
const replays = [
  [0, 90],
  [90, tokens],
].map(([from, to], i) => {
  const rows = to! - from! + 5
  return {
    from: from!,
    to: to!,
    rows,
    q: randomValues(rows * queryHeads * headDim, 20 + i),
    k: randomValues(kvHeads * rows * headDim, 30 + i),
    inputNorms: randomValues(rows, 40 + i).map((x) => 1 + Math.abs(x)),
  }
})
const shape = { tokens, queryHeads, kvHeads, headDim }
const shared = { ...shape, k, kBefore, v, outputWeight, ropeInvFreq }

const all: readonly Statistic[] = Object.values<Statistic>(statistics)
/** One row per stored head. */
const stored = (node: object, rows: 'query' | 'kv' = 'query'): ScoreInput =>
  (rows === 'query' ? { op: 'group', by: 'mean', of: [node] } : node) as ScoreInput
const attention = stored({ stat: 'attention' })
const norm: ScoreInput = { stat: 'key-norm' }

/** Nodes whose options say something else than their defaults do. */
const cases: Record<string, ScoreInput[]> = {
  attention: [
    ...(['mean', 'max', 'variance', 'entropy'] as const).map((reduce) =>
      stored({ stat: 'attention', reduce }),
    ),
    stored({ stat: 'attention', queries: { last: 8, before: 'prompt-end' }, mask: 'window-block' }),
  ],
  'value-norm': [{ stat: 'value-norm', norm: 1 }],
  'value-output-norm': [stored({ stat: 'value-output-norm', norm: 1 })],
  'partition-spread': [{ stat: 'partition-spread', lag: 32, of: 'values' }],
  'chunk-attention': [stored({ stat: 'chunk-attention', chunk: 40 })],
  group: [
    { op: 'group', by: 'max', of: [{ stat: 'attention' }] },
    { op: 'group', by: 'sum', over: 'layer', of: [{ stat: 'attention' }] },
  ],
  add: [{ op: 'add', of: [norm, attention, norm] }],
  multiply: [{ op: 'multiply', of: [norm, attention] }],
  power: [{ op: 'power', exponent: 0.5, of: [norm] }],
  scale: [{ op: 'scale', factor: -2, offset: 1, of: [norm] }],
  'z-score': (['head', 'layer'] as const).map((over) => ({ op: 'z-score', over, skipFirst: 3, of: [norm] })),
  softmax: [{ op: 'softmax', skipFirst: 4, of: [norm] }],
  'rank-in-blocks': [{ op: 'rank-in-blocks', block: 30, of: [norm] }],
  pool: (['max', 'mean'] as const).map((pool) => ({
    op: 'pool',
    pool,
    kernel: 5,
    padding: 'valid',
    skipFirst: 2,
    of: [norm],
  })),
  'block-pool': [{ op: 'block-pool', pool: 'mean', block: 13, of: [norm] }],
  'replay-attention': [stored({ stat: 'replay-attention', sinks: 2, over: 'input-norm' })],
  'joined-attention': [
    { stat: 'joined-attention', queries: { last: 9, before: 'prompt-end' }, join: 'mean' },
    { stat: 'joined-attention', queries: { last: 9, before: 'prompt-end' } },
  ],
  'entropy-gate': [{ op: 'entropy-gate', block: 10, rescue: 3, skipFirst: 4, of: [norm] }],
  constant: [{ op: 'constant', first: 4, last: 2, value: 'above', of: [norm] }],
}

const expressions: (readonly [string, ScoreInput])[] = [
  ...all.map(({ name, rows }) => [`${name} by its defaults`, stored({ stat: name }, rows)] as const),
  ...Object.entries(cases).flatMap(([name, nodes]) =>
    nodes.map((node, i) => [`${name} ${i + 1}`, node] as const),
  ),
]
/** The loosest bound of the statistics in an expression. */
const toleranceOf = (score: ScoreInput): number =>
  'stat' in score
    ? (all.find(({ name }) => name === score.stat)!.tolerance ?? 2e-5)
    : Math.max(2e-5, ...score.of.map(toleranceOf))

test('every operation has a case', () => {
  for (const name of Object.keys(scoreOperations)) expect(Object.keys(cases)).toContain(name)
})

describe.each(tables)('%s', (table) => {
  const engine = addon.createEngine({ threads: 2, table })
  test.each(expressions)('%s', async (_, input) => {
    const score = checkScore(input, 'score')
    for (const heads of ['kv', 'query'] as const) {
      const ours = await engine.observe({ ...shared, q, qBefore, replays, heads, score, protectLast: last })
      const reference = {
        ...shared,
        q: headsFirst(q),
        qBefore: headsFirst(qBefore),
        replays: replays.map((one) => ({ ...one, q: headsFirst(one.q, one.rows) })),
      }
      const rows = evaluateScore(score, reference, { heads, protectLast: last })
      expect(rows).toHaveLength(heads === 'kv' ? kvHeads : queryHeads)
      const largest = Math.max(...rows.flatMap((row) => Array.from(row, Math.abs)))
      for (const [h, row] of rows.entries())
        for (let t = 0; t < tokens - last; t++)
          expect(
            Math.abs(ours[h * tokens + t]! - row[t]!),
            `${heads}, head ${h}, token ${t}: ${ours[h * tokens + t]} for ${row[t]}`,
          ).toBeLessThanOrEqual(4 * toleranceOf(input) * largest)
    }
  })
})
