import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-originals-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const file = (name: string) => join(folder, name)

describe('results of the original codes', () => {
  it('qpkv heatmap draws a needle folder and names a broken file', async () => {
    const results = file('needle')
    mkdirSync(results)
    const cell = (length: number, depth: number) => ({
      model: 'm',
      context_length: length,
      depth_percent: depth,
      needle: 'n',
      model_response: 'eat a sandwich',
      score: 5,
    })
    writeFileSync(join(results, 'a_results.json'), JSON.stringify(cell(1000, 0)))
    writeFileSync(join(results, 'b_results.json'), JSON.stringify(cell(2000, 50)))
    writeFileSync(join(results, 'c_results.json'), '{"model": "m"')
    const { code, stdout, stderr } = await run([
      'heatmap',
      results,
      '--score',
      'saved',
      '--out',
      file('h.svg'),
    ])
    expect(code).toBe(0)
    expect(stdout).toContain('overall 0.500 (mean of 2 cells, saved score / 10)')
    expect(stderr).toMatch(/left out: .*c_results\.json: not JSON .*Run that cell again/)
    expect(readFileSync(file('h.svg'), 'utf8')).toMatch(/^<svg/)
    expect((await run(['heatmap', results, '--strict'])).code).toBe(1)
  })

  it('qpkv score reads LongBench predictions', async () => {
    const folder = file('llama_128')
    mkdirSync(join(folder, 'hotpotqa'), { recursive: true })
    const line = (pred: string) =>
      `${JSON.stringify({ pred, answers: ['the mill'], length: 9, all_classes: null, _id: 'x' })}\n`
    writeFileSync(join(folder, 'hotpotqa', 'SnapKV.json'), line('mill') + line('lake'))
    writeFileSync(join(folder, 'hotpotqa', 'H2O.json'), `${line('mill')}{"pred": 3}\n`)
    const { code, stdout, stderr } = await run(['score', folder])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^hotpotqa +SnapKV +- +2 +50\.00$/m)
    expect(stdout).toMatch(/^hotpotqa +H2O +- +1 +100\.00$/m)
    expect(stderr).toMatch(/left out: .*H2O\.json:2: /)
    expect((await run(['score', folder, '--strict'])).code).toBe(1)
  })

  it('qpkv score reads RULER predictions in both layouts', async () => {
    const folder = file('ruler-results')
    mkdirSync(join(folder, '4096', 'vt'), { recursive: true })
    const line = (pred: string, name: string) => `${JSON.stringify({ pred, [name]: ['AB', 'CD'] })}\n`
    writeFileSync(join(folder, '4096', 'vt', 'SnapKV.json'), line('ab cd', 'answers') + line('ab', 'answers'))
    writeFileSync(join(folder, '4096', 'niah_single_1.jsonl'), line('ab', 'outputs'))
    const { code, stdout } = await run(['score', folder])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^vt +SnapKV +4096 +2 +75\.00$/m)
    expect(stdout).toMatch(/^niah_single_1 +- +4096 +1 +50\.00$/m)
    expect((await run(['score', file('nowhere')])).stderr).toMatch(/Cannot read the folder/)
  })
})
