import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-repeat-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const file = (name: string) => join(folder, name)

interface Line {
  readonly kind: string
  readonly answers: readonly unknown[]
}

const samplesOf = (path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
    .filter(({ kind }) => kind === 'sample')

/** Repeats files; each result must be equal in every answer and record, and say so. */
async function expectSame(path: string, files = [path]) {
  const { code, stdout, stderr } = await run(['run', path, '--out', file('again.jsonl'), '--replace'])
  expect(stderr).not.toMatch(/note:|error/)
  for (const one of files) {
    const records = samplesOf(one)
    const answers = records.flatMap((record) => record.answers).length
    expect(stdout).toContain(`${answers} of ${answers} answers equal: ids, replies and scores`)
    const all = `${records.length} of ${records.length}`
    expect(stdout).toContain(`${all} records equal in tokens kept, plan and bytes`)
  }
  expect(stdout).not.toContain('changed by')
  expect(code).toBe(0)
}

describe('qpkv run repeats', () => {
  it('the demo, whose two parts have rows of their own, from .jsonl and from .json', async () => {
    await run(['demo', '--scale', '0.05', '--lengths', '320,384', '--out', file('demo')])
    // Two lengths: three and one texts known beforehand, one and one asked four times; twelve rows each.
    const files = [file('demo/query-aware.jsonl'), file('demo/query-agnostic.jsonl')]
    expect(samplesOf(files[1] ?? '')[0]?.answers).toHaveLength(4)
    for (const one of files) await expectSame(one)
    await expectSame(file('demo/results.json'), files)
  }, 60_000)

  it('every file of a sweep; what failed there fails again and is no surprise', async () => {
    const small = { lengths: [256], samples: 2, keys: 2 }
    const tasks = [
      { bench: 'needle', options: { ...small, protocol: 'query-agnostic', questions: 2 } },
      {
        bench: 'needle',
        options: { form: 'plain', lengths: [300], depths: 3, depthSchedule: 'sigmoid' },
      },
      { bench: 'ruler', options: { tasks: ['niah_single_1'], lengths: [512], samples: 1 } },
      { bench: 'longbench', options: { standIns: true, datasets: ['lcc', 'lcc_e'], rows: 1, newTokens: 4 } },
    ]
    const specs = [
      'none+none',
      'keydiff:last=8+kivi:bits=4,group=32,recent=8@64x16',
      'keydiff:last=8+none@1t',
    ]
    writeFileSync(file('grid.json'), JSON.stringify({ tasks, specs }))
    const swept = await run(['sweep', file('grid.json'), '--out', file('sweep')])
    expect(swept.code).toBe(0)
    expect(swept.stderr).toMatch(
      /reference needle plain query-aware: 3 results are missing: KV_BUDGET_TOO_SMALL/,
    )
    const names = readdirSync(file('sweep')).filter((name) => name.endsWith('.jsonl'))
    const counts = names.map((name) => name.split('-')[0])
    expect(counts.toSorted((a, b) => (String(a) < String(b) ? -1 : 1))).toEqual([
      'longbench',
      'needle',
      'needle',
      'ruler',
    ])
    for (const name of names) {
      await expectSame(join(file('sweep'), name))
    }
  }, 60_000)

  it('and says what differs', async () => {
    const out = file('one.jsonl')
    await run(['bench', 'needle', '--length', '512', '--samples', '2', '--keys', '2', '--out', out])
    const old = readFileSync(out, 'utf8')
    expect(old).toContain('"exact":1')
    writeFileSync(out, old.replace('"exact":1', '"exact":0').replace('"allocated":', '"allocated":1'))
    const changed = await run(['run', out, '--replace'])
    expect(changed.stdout).toMatch(/^1 of 2 answers equal/m)
    expect(changed.stdout).toMatch(/^1 of 2 records equal/m)
    expect(changed.stdout).toMatch(/^mean exact changed by 0\.5000/m)
    writeFileSync(out, `${old.trim().split('\n').slice(0, -1).join('\n')}\n`)
    expect((await run(['run', out, '--replace'])).stdout).toMatch(
      /^1 of 1 answers equal[^]*^1 records are new/m,
    )
    writeFileSync(
      out,
      old
        .replaceAll('"name":"reference"', '"name":"other"')
        .replaceAll('"fingerprint":"', '"fingerprint":"0'),
    )
    const other = await run(['run', out])
    expect(other.stderr).toMatch(/was made with the model other\..*\nhint: Say where it is now: --model PATH/)
    expect(other.code).toBe(2)
    writeFileSync(file('not.json'), '[]')
    expect((await run(['run', file('not.json')])).stderr).toMatch(
      /not\.json: expected header, specs, plans and/,
    )
  })

  it('rounded weights, which have a file of their own', async () => {
    const bench = ['bench', 'needle', '--length', '512', '--samples', '1', '--spec', 'none+none']
    const path = file('rounded.jsonl')
    expect((await run([...bench, '--out', path, '--weights', 'int4'])).code).toBe(0)
    const [header] = readFileSync(path, 'utf8').split('\n')
    expect(JSON.parse(header ?? '')).toMatchObject({
      identity: { model: { name: 'reference', weights: 'int4' } },
      versions: { ops: expect.stringContaining('int4 weights') as string },
    })
    await expectSame(path) // no flag: the file says which weights
    const plain = await run([...bench, '--out', path])
    expect(plain.code).not.toBe(0)
    expect(plain.stderr).toMatch(/another run/)
  })
})
