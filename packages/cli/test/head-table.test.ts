import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { readHeadTable } from '@qpkv/pruner-duoattention'
import { modelFolder } from '@qpkv/reference-model'
import { afterAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-heads-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const at = (name: string) => join(folder, name)
const text = ' The red boat crosses the hill. A small owl sings near the quiet lake.'.repeat(60)
writeFileSync(at('text.txt'), text)
const table = (...more: string[]) =>
  run(['head-table', '--out', at('heads.json'), '--text', at('text.txt'), '--tokens', '300', ...more])

describe('qpkv head-table', { timeout: 60_000 }, () => {
  it('writes what each head keeps of the prompt under kvzip, and later texts need no replay', async () => {
    const { code, stdout, stderr } = await table('--chunks', '1')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^layer +head 0 +head 1$/m)
    const { heads, model: of } = readHeadTable(at('heads.json'))
    expect(of?.name).toBe('reference')

    await using model = await loadModel(modelFolder, { methods: registry, threads: 2 })
    const ids = model.tokenizer!.encode(text).slice(0, 300)
    const kvzip = 'kvzip:last=0,ends=scored+none@25%'
    await using replayed = await model.prefill(ids, { compression: kvzip })
    for (const [l, row] of replayed.report.kept.entries())
      for (const [h, kept] of row.entries()) expect(kept / 300).toBeCloseTo(heads[l]![h]!, 1)
    const spread = heads.flat().sort((a, b) => a - b)
    expect(spread.at(-1)!).toBeGreaterThan(2 * spread[0]!)

    const allocate = { method: 'head-table', table: at('heads.json'), keep: 'parts' }
    const other = ids.toReversed()
    await using context = await model.prefill(other, {
      compression: { prune: { method: 'keydiff' }, allocate, budget: { fraction: 0.25 } },
    })
    const { kept, plan } = context.report
    expect(JSON.stringify(plan)).not.toContain('replay-attention')
    const [low, high] = [heads.flat().indexOf(spread[0]!), heads.flat().indexOf(spread.at(-1)!)]
    expect(kept.flat()[high]!).toBeGreaterThan(kept.flat()[low]!)
    expect(kept.flat().reduce((sum, n) => sum + n, 0) / 8).toBeLessThanOrEqual(75)
  })

  it('goes on with the chunks that were measured, and refuses those of other settings', async () => {
    const lines = () => readFileSync(at('heads.measured.jsonl'), 'utf8').split('\n').slice(0, -1)
    const [before, first] = [lines(), readFileSync(at('heads.json'), 'utf8')]
    const there = await table('--chunks', '2')
    expect([there.code, there.stderr]).toEqual([2, expect.stringMatching(/is there already/)])
    rmSync(at('heads.json')) // as where it was killed
    expect((await table('--chunks', '2')).code).toBe(0)
    expect(lines().slice(0, -1)).toEqual(before)
    expect(readFileSync(at('heads.json'), 'utf8')).not.toBe(first)
    expect((await table('--chunks', '1', '--replace')).code).toBe(0)
    expect(readFileSync(at('heads.json'), 'utf8')).toBe(first)
    rmSync(at('heads.json'))
    const other = await table('--chunks', '1', '--part', '0.5')
    expect([other.code, other.stderr]).toEqual([
      2,
      expect.stringMatching(/holds another run: part 0\.25, now 0\.5/),
    ])
  })

  it('makes a table that another model refuses, before it reads the prompt', async () => {
    expect((await table('--chunks', '1', '--replace')).code).toBe(0)
    const made = JSON.parse(readFileSync(at('heads.json'), 'utf8')) as { model: { identity: string } }
    made.model.identity = made.model.identity.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
    writeFileSync(at('other.json'), JSON.stringify(made))
    const ask = (name: string) =>
      run(
        'generate --max-tokens 1 --budget 50% --prompt-file'
          .split(' ')
          .concat(at('text.txt'), '--prune', `duoattention:table='"${at(name)}"'`),
      )
    expect((await ask('heads.json')).code).toBe(0)
    const { code, stderr } = await ask('other.json')
    expect([code, stderr]).toEqual([2, expect.stringMatching(/made on reference .* this model is another/)])
  })
})
