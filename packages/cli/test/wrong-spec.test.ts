import { existsSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { run } from './run.ts'

const SPEC = 'snapkv:windw=3+none@64t'

describe('a misspelled option of a method', () => {
  it.each([
    ['bench', false],
    ['bench', true],
    ['sweep', false],
    ['sweep', true],
  ])('ends %s (--dry-run: %s) before the first sample, with nothing written', async (command, dry) => {
    const folder = mkdtempSync(join(tmpdir(), 'qpkv-wrong-spec-'))
    const grid = join(folder, 'grid.json')
    const tasks = [{ bench: 'needle', options: { lengths: [512], samples: 1 } }]
    writeFileSync(grid, JSON.stringify({ models: ['reference'], tasks, specs: [SPEC] }))
    const out = join(folder, 'out')
    const words =
      command === 'bench'
        ? [
            'bench',
            'needle',
            '--length',
            '512',
            '--samples',
            '1',
            '--spec',
            SPEC,
            '--out',
            join(out, 'a.jsonl'),
          ]
        : ['sweep', grid, '--out', out]
    const { code, stderr } = await run([...words, ...(dry ? ['--dry-run'] : [])])
    expect(stderr).toMatch(/windw[^]*Did you mean window/)
    expect(code).toBe(2)
    expect(existsSync(out) ? readdirSync(out) : []).toEqual([])
  })
})
