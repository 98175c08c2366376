import { parseSpec } from '@qpkv/spec'
import type { AskResult, Measurement, NamedSpec, RunIdentity } from '../src/index.ts'

export const identity: RunIdentity = {
  bench: 'needle',
  task: { seed: 1, tokens: 512 },
  model: { name: 'reference', fingerprint: 'abc' },
}

export const versions = { '@qpkv/core': '0.1.0' }

export const rows: readonly NamedSpec[] = [
  { label: 'full', spec: parseSpec('none+none') },
  { label: '4 bit', spec: parseSpec('snapkv:window=16+kivi:bits=4@64KiB') },
]

export const measurement = (right: readonly number[], bytes = 65_536): Measurement => ({
  facets: { length: 512 },
  promptTokens: 500,
  tokensKept: 82,
  bytes: { planned: bytes, allocated: bytes, grown: 128, full: 1_024_000 },
  timings: { prefillMs: 100, appendMs: 0, decodeMs: 20, decodeTokens: 8 },
  answers: right.map((exact, index) => ({
    id: `q${index}`,
    facets: { depth: 0.5 },
    expected: '1234567',
    reply: exact === 1 ? ' 1234567.' : ' 7, "quoted"\n',
    scores: { exact },
  })),
})

export const samples = (count: number) => Array.from({ length: count }, (_, i) => ({ id: `s${i}` }))

/** Right under the first row, right on even samples under the second. */
export const answer = (id: string, rows: readonly NamedSpec[]): AskResult[] =>
  rows.map(({ label }) => ({
    measurement: measurement([label === 'full' || Number(id.slice(1)) % 2 === 0 ? 1 : 0]),
    plan: { planVersion: 2, heads: 'kv', promptTokens: 500, layers: [] },
  }))
