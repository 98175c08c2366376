import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseSpec } from '@qpkv/spec'
import { describe, expect, it } from 'vitest'
import { readResults, ResultWriter, runSamples, type AskResult, type NamedSpec } from '../src/index.ts'
import { answer, identity, rows, samples, versions } from './run-data.ts'
import { temporaryFolder } from './temporary-folder.ts'

const openWriter = (path = join(temporaryFolder(), 'r.jsonl')) =>
  ResultWriter.open({ path, identity, versions, mode: 'resume' })

const code = (expected: string) => expect.objectContaining({ code: expected }) as Error

describe('a run', () => {
  it('asks a sample once for all specs, and later only for the specs that are missing', async () => {
    const writer = openWriter()
    const calls: [string, string[]][] = []
    const ask = async ({ id }: { id: string }, specs: readonly NamedSpec[]): Promise<AskResult[]> => {
      calls.push([id, specs.map(({ label }) => label)])
      return answer(id, specs)
    }
    await runSamples({ samples: samples(2), specs: rows.slice(0, 1), writer, ask })
    const records = await runSamples({ samples: samples(2), specs: rows, writer, ask })
    expect(calls).toEqual([
      ['s0', ['full']],
      ['s1', ['full']],
      ['s0', ['4 bit']],
      ['s1', ['4 bit']],
    ])
    expect(records.map(({ answers }) => answers[0]?.scores['exact'])).toEqual([1, 1, 1, 0])
    writer.close()
  })

  it('works on several samples at once and returns them in order', async () => {
    const writer = openWriter()
    let running = 0
    let most = 0
    const records = await runSamples({
      samples: samples(6),
      specs: rows.slice(0, 1),
      writer,
      workers: 3,
      ask: async ({ id }, specs) => {
        running += 1
        most = Math.max(most, running)
        await setTimeout(id === 's0' ? 15 : 2)
        running -= 1
        return answer(id, specs)
      },
    })
    expect(most).toBe(3)
    expect(records.map(({ sample }) => sample)).toEqual(['s0', 's1', 's2', 's3', 's4', 's5'])
    writer.close()
  })

  it('stops at an error with everything before it saved', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    const writer = openWriter(path)
    const ask = async ({ id }: { id: string }, specs: readonly NamedSpec[]) => {
      if (id === 's2') throw new Error('broken sample')
      return answer(id, specs)
    }
    await expect(runSamples({ samples: samples(4), specs: rows, writer, ask })).rejects.toThrow(
      'broken sample',
    )
    writer.close()
    expect((await readResults(path)).records).toHaveLength(4)
  })

  it('goes on after an error when told to, records it, and tries again the next time', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    let broken = true
    const run = async () => {
      const writer = openWriter(path)
      const records = await runSamples({
        samples: samples(3),
        specs: rows,
        writer,
        onError: 'continue',
        ask: async ({ id }, specs) => {
          if (broken && id === 's1') throw new Error('broken sample')
          return answer(id, specs)
        },
      })
      writer.close()
      return records.length
    }
    expect(await run()).toBe(4)
    expect((await readResults(path)).failures).toMatchObject([{ sample: 's1', message: 'broken sample' }])
    broken = false
    expect(await run()).toBe(6)
  })

  it('is cancelled between samples, with what is done saved', async () => {
    const writer = openWriter()
    const controller = new AbortController()
    const run = runSamples({
      samples: samples(5),
      specs: rows,
      writer,
      signal: controller.signal,
      ask: async ({ id }, specs) => {
        if (id === 's1') controller.abort()
        return answer(id, specs)
      },
    })
    await expect(run).rejects.toThrow(code('KV_ABORTED'))
    expect(writer.records).toHaveLength(4)
    writer.close()
  })

  it('refuses two samples or two rows that are the same, and a wrong number of results', async () => {
    const writer = openWriter()
    const ask = async () => []
    const twice = [...samples(1), ...samples(1)]
    await expect(runSamples({ samples: twice, specs: rows, writer, ask })).rejects.toThrow(/samples.*s0/)
    const again = [...rows, { label: 'other name', spec: parseSpec('none+none') }]
    await expect(runSamples({ samples: samples(1), specs: again, writer, ask })).rejects.toThrow(/rows/)
    await expect(runSamples({ samples: samples(1), specs: rows, writer, ask })).rejects.toThrow(/0 results/)
    writer.close()
  })
})
