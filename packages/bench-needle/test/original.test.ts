import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { heatMapSvg, type SampleRecord } from '@qpkv/bench-kit'
import { describe, expect, it } from 'vitest'
import {
  originalFileName,
  originalHeatMap,
  readOriginalFolder,
  toOriginal,
  writeOriginalFolder,
  type OriginalResult,
} from '../src/index.ts'
import { temporaryFolder } from './temporary-folder.ts'

const result = (length: number, depth: number, reply: string, score = 5): OriginalResult => ({
  model: 'llama-3-8b',
  context_length: length,
  depth_percent: depth,
  version: 1,
  needle: '\nThe best thing to do is to walk.\n',
  model_response: reply,
  score,
  test_duration_seconds: 1.5,
  test_timestamp_utc: '2024-01-01 00:00:00+0000',
})

const all = [
  result(2000, 0, 'walk home'),
  result(1000, 50, 'walk'),
  result(1000, 0, 'no'),
  result(2000, 50, 'home'),
]

describe('an original result folder', () => {
  it('is read in order of length and depth, and drawn', async () => {
    const folder = temporaryFolder()
    await writeOriginalFolder(folder, all)
    const { results, problems } = await readOriginalFolder(folder)
    expect(problems).toEqual([])
    expect(results.map(({ context_length, depth_percent }) => [context_length, depth_percent])).toEqual([
      [1000, 0],
      [1000, 50],
      [2000, 0],
      [2000, 50],
    ])
    const map = originalHeatMap(results, { expected: 'walk home', trainedLength: 1500 })
    expect(map.title).toBe('Pressure Testing llama-3-8b / Fact Retrieval Across Context Lengths')
    expect(map.scores).toEqual([
      [0, 1],
      [0.5, 0.5],
    ])
    expect(map.subtitle).toContain('overall 0.500 (mean of 4 cells')
    expect(heatMapSvg(map)).toContain('stroke="#ffffff"')
    expect(originalHeatMap(results, { score: 'saved' }).scores.flat()).toEqual([0.5, 0.5, 0.5, 0.5])
  })

  it('names files as the originals do, depth times 100', () => {
    expect(originalFileName(1, 1000, 11)).toBe('1_len_1000_depth_1100_results.json')
    expect(originalFileName(2, 1000, 7.586)).toBe('2_len_1000_depth_758_results.json')
  })

  it('with broken files is read as far as it goes, each named', async () => {
    const folder = temporaryFolder()
    await writeOriginalFolder(join(folder, 'deeper'), all.slice(0, 1))
    mkdirSync(join(folder, 'x'))
    writeFileSync(join(folder, 'x', 'a_results.json'), '{')
    writeFileSync(join(folder, 'b_results.json'), '[1]')
    writeFileSync(join(folder, 'c_results.json'), JSON.stringify({ ...all[0], score: 'ten' }))
    writeFileSync(join(folder, 'other.json'), '{}')
    const { results, problems } = await readOriginalFolder(folder)
    expect(results).toHaveLength(1)
    expect(problems).toEqual([
      'b_results.json: expected a JSON object',
      'c_results.json: expected a number in "score"',
      expect.stringMatching(/^x\/a_results\.json: not JSON \(/),
    ])
  })

  it('that is missing, empty or of several models is refused', async () => {
    const folder = temporaryFolder()
    await expect(readOriginalFolder(join(folder, 'gone'))).rejects.toThrow(/gone/)
    await expect(readOriginalFolder(folder)).rejects.toThrow(/No usable/)
    expect(() => originalHeatMap([...all, { ...result(1, 1, ''), model: 'other' }])).toThrow(
      /llama-3-8b, other/,
    )
    expect(() => originalHeatMap([])).toThrow(/none/)
  })

  it("is made from a grid's records", async () => {
    const record = {
      facets: { length: 1000, depth: 50 },
      timings: { prefillMs: 900, appendMs: 0, decodeMs: 100, decodeTokens: 5 },
      answers: [{ id: 'needle', facets: {}, expected: 'walk', reply: ' walk\n', scores: { rouge1: 0.25 } }],
    } as unknown as SampleRecord
    const about = { model: 'm', needle: 'n', measuredAt: 'now' }
    const original = toOriginal(record, about)
    expect(original).toMatchObject({
      score: 2.5,
      model_response: 'walk',
      test_duration_seconds: 1,
      version: 1,
    })
    const [path = ''] = await writeOriginalFolder(temporaryFolder(), [original])
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(original)
  })
})
