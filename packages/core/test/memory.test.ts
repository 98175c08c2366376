import { describe, expect, it } from 'vitest'
import { cgroupRoom } from '../src/memory/available-memory.ts'
import { prefillPeakBytes, promptBytes, requireMemory } from '../src/memory/estimate.ts'
import { temporaryFolder } from './support/model-folder.ts'
import { throwsKv } from './support/throws.ts'

describe('memory', () => {
  it('of a container of version 2 is its limit less what it uses, file cache aside', () => {
    const root = temporaryFolder({
      'memory.max': '1000\n',
      'memory.current': '700\n',
      'memory.stat': 'anon 5\ninactive_file 200\n',
    })
    expect(cgroupRoom(root)).toBe(500)
  })

  it('of a container of version 1 likewise', () => {
    const root = temporaryFolder({
      'memory/memory.limit_in_bytes': '1000',
      'memory/memory.usage_in_bytes': '900',
      'memory/memory.stat': 'total_inactive_file 50',
    })
    expect(cgroupRoom(root)).toBe(150)
  })

  it('has no such limit where there is no container', () => {
    expect(cgroupRoom(temporaryFolder())).toBeUndefined()
    expect(cgroupRoom(temporaryFolder({ 'memory.max': 'max', 'memory.current': '7' }))).toBeUndefined()
  })

  it('of a prefill grows with tokens by hidden states and one layer, not by all layers', () => {
    const shape = {
      hiddenSize: 2048,
      intermediateSize: 8192,
      queryHeads: 32,
      kvHeads: 8,
      headDim: 64,
      vocabSize: 128_256,
    }
    const perToken = (promptBytes(shape, 2000) - promptBytes(shape, 1000)) / 1000
    expect(perToken).toBe(4 * (2048 + 3 * 8 * 64))
    // A 1B shape at 8k tokens: hidden states and one layer are 112 MiB, a chunk's rows 66 MiB, and keys and values of
    // all heads as attention reads them 32 MiB and a quarter.
    expect(prefillPeakBytes(shape, 8192) / 2 ** 20).toBeGreaterThan(205)
    expect(prefillPeakBytes(shape, 8192) / 2 ** 20).toBeLessThan(225)
    // At 128k they are those of one head, and kept queries are as many bytes as the queries of the whole prompt.
    const tokens = 131_072
    const rest = promptBytes(shape, tokens) - promptBytes(shape, 8192)
    const panels = 1.25 * 4 * (tokens * 2 * 64 - 8 * 8192 * 2 * 64)
    expect(prefillPeakBytes(shape, tokens) - prefillPeakBytes(shape, 8192)).toBe(rest + panels)
    expect(
      prefillPeakBytes(shape, tokens, { observedBytes: 2 ** 30 }) - prefillPeakBytes(shape, tokens),
    ).toBe(2 ** 30)
  })

  it('that is not there is refused with the figures', async () => {
    await throwsKv(
      'KV_MEMORY',
      /A prefill needs about 3 MiB \(work 1 MiB, cache 2 MiB\), but 2 MiB are available/,
      () => {
        requireMemory('A prefill', { work: 2 ** 20, cache: 2 ** 21 }, 2 ** 21, 'hint')
      },
    )
    expect(() => {
      requireMemory('A prefill', { work: 1 }, 1, 'hint')
    }).not.toThrow()
  })
})
