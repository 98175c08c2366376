import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkSpec } from '@qpkv/spec'
import { describe, expect, it } from 'vitest'
import { checkRange, readResults, ResultWriter, shardRange, type Measurement } from '../src/index.ts'
import { temporaryFolder } from './temporary-folder.ts'

const identity = { bench: 'needle', task: { options: { seed: 1 } }, model: { name: 'm', fingerprint: 'f' } }
const spec = checkSpec({})
const measurement = (reply: string): Measurement => ({
  facets: {},
  promptTokens: 10,
  tokensKept: 10,
  bytes: { planned: 1, allocated: 1, grown: 0, full: 1 },
  timings: { prefillMs: 1, appendMs: 0, decodeMs: 1, decodeTokens: 1 },
  answers: [{ id: '0', facets: {}, expected: 'x', reply, scores: { right: 1 } }],
})

/** A file that holds these samples, with the same reply. */
async function part(path: string, samples: readonly string[], reply = 'x', seed = 1) {
  const task = { options: { seed } }
  const writer = ResultWriter.open({ path, identity: { ...identity, task }, versions: {} })
  for (const sample of samples) writer.add(sample, [{ label: 'none', spec, measurement: measurement(reply) }])
  writer.addFailure({ sample: 'lost', specs: ['s'], code: 'KV_MEMORY', message: 'full' })
  writer.close()
  return readResults(path)
}

describe('a result file that takes over another', () => {
  it('has each record once, in the order of samples, and its lines once', async () => {
    const folder = temporaryFolder()
    const writer = ResultWriter.open({ path: join(folder, 'all.jsonl'), identity, versions: {} })
    const first = await part(join(folder, 'a.jsonl'), ['s-10', 's-2', 's-1'])
    expect(writer.addFrom(first)).toEqual({ added: 3, known: 0, different: 0 })
    expect(writer.records.map(({ sample }) => sample)).toEqual(['s-1', 's-2', 's-10'])
    expect(writer.addFrom(await part(join(folder, 'b.jsonl'), ['s-2', 's-3'], 'y'))).toEqual({
      added: 1,
      known: 1,
      different: 1,
    })
    const size = readFileSync(writer.path).length
    expect(writer.addFrom(first)).toEqual({ added: 0, known: 3, different: 0 })
    expect(readFileSync(writer.path).length).toBe(size)
    writer.close()
    const { records, specs, failures } = await readResults(writer.path)
    expect(records.map(({ answers }) => answers[0]?.reply)).toEqual(['x', 'x', 'x', 'y'])
    expect([specs.size, failures.length]).toEqual([1, 1])
  })

  it('refuses another run', async () => {
    const folder = temporaryFolder()
    const writer = ResultWriter.open({ path: join(folder, 'all.jsonl'), identity, versions: {} })
    const other = await part(join(folder, 'other.jsonl'), ['s'], 'x', 2)
    expect(() => writer.addFrom(other)).toThrow(/other\.jsonl holds another run: seed 2, now 1/)
    writer.close()
  })
})

describe('shards', () => {
  it('lie behind one another, cover the range and differ by one at most', () => {
    for (const [from, to, count] of [
      [0, 7, 3],
      [5, 6, 4],
      [0, 0, 2],
      [3, 103, 8],
    ] as const) {
      const parts = Array.from({ length: count }, (_, index) => shardRange({ from, to }, { index, count }))
      expect(parts[0]?.from).toBe(from)
      expect(parts.at(-1)?.to).toBe(to)
      for (const [i, one] of parts.entries()) if (i > 0) expect(one.from).toBe(parts[i - 1]?.to)
      const sizes = parts.map((one) => one.to - one.from)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
    }
  })

  it('of ranges that are none are refused', () => {
    for (const range of [
      { from: -1, to: 2 },
      { from: 3, to: 2 },
      { from: 0, to: 11 },
      { from: 0.5, to: 2 },
    ])
      expect(() => checkRange(range, 10)).toThrow(/between 0 and the run's 10/)
  })
})
