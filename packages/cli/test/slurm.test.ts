import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { samplesOf, startCommand } from './result-lines.ts'
import { run } from './run.ts'
import { sameRecords } from './same-records.ts'
import { hasSlurm, startSlurm } from './slurm-cluster.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-slurm-test-'))
const file = (name: string) => join(folder, name)
afterAll(() => {
  rmSync(folder, { recursive: true })
})

const grid = {
  tasks: [{ bench: 'needle', options: { lengths: [256], samples: 6, keys: 2 } }],
  specs: ['none+none', 'keydiff:last=8+kivi:bits=4,group=32,recent=8@64x16', 'keydiff:last=8+none@1t'],
}

it('without Slurm says so', async () => {
  writeFileSync(file('grid.json'), JSON.stringify(grid))
  const path = process.env['PATH']
  process.env['PATH'] = '/nowhere'
  try {
    const args = ['sweep', file('grid.json'), '--out', file('none'), '--threads', '1', '--executor', 'slurm']
    const { code, stderr } = await run(args)
    expect(code).toBe(2)
    expect(stderr).toMatch(/There is no sbatch on this machine.*\nhint: /)
  } finally {
    process.env['PATH'] = path
  }
})

// Debian: apt-get install slurm-wlm. One machine, two processors, no privileges.
describe.skipIf(!hasSlurm)('a sweep on Slurm', () => {
  let slurm: Awaited<ReturnType<typeof startSlurm>>
  beforeAll(async () => {
    slurm = await startSlurm()
  }, 60_000)
  afterAll(() => slurm.stop())

  const sweep = (out: string, ...args: string[]) =>
    startCommand(
      ['sweep', file('grid.json'), '--out', file(out), '--threads', '1', '--executor', 'slurm', ...args],
      'ignore',
      { ...process.env, ...slurm.env },
    )
  const saidBy = (child: ReturnType<typeof sweep>) => {
    const said: string[] = []
    child.stderr?.on('data', (chunk) => said.push(String(chunk)))
    return () => said.join('')
  }

  it('writes the records of a sweep here', { timeout: 180_000 }, async () => {
    expect((await run(['sweep', file('grid.json'), '--out', file('local'), '--threads', '1'])).code).toBe(0)
    const child = sweep('cluster', '--shards', '3', '--sbatch=--comment=test')
    const said = saidBy(child)
    const [code] = (await once(child, 'exit')) as [number]
    expect(said()).toMatch(/submitted array \d+: 3 tasks/)
    expect(code, said()).toBe(0)
    expect(readdirSync(join(file('cluster'), 'parts')).filter((name) => name.endsWith('.log'))).toHaveLength(
      3,
    )
    expect(readFileSync(join(file('cluster'), 'array.sh'), 'utf8')).toMatch(/#SBATCH --array=0-2/)
    expect(sameRecords(file('cluster'), file('local'))).toBe(12)
  })

  it('goes on after Ctrl-C, which cancels the array', { timeout: 180_000 }, async () => {
    const child = sweep('stopped', '--shards', '2')
    const said = saidBy(child)
    child.stderr?.on('data', () => {
      if (/ [1-9]\d* of 18 records|running/.test(said())) child.kill('SIGINT')
    })
    const [code] = (await once(child, 'exit')) as [number]
    expect(said()).toMatch(/cancelled/)
    expect(code).toBe(130)
    const again = sweep('stopped', '--shards', '2')
    const [ended] = (await once(again, 'exit')) as [number]
    expect(ended).toBe(0)
    expect(
      readdirSync(file('stopped')).flatMap((name) =>
        name.endsWith('.jsonl') ? samplesOf(join(file('stopped'), name)) : [],
      ),
    ).toHaveLength(12)
  })
})
