import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { modelFolder } from '@qpkv/reference-model'
import { afterAll, describe, expect, test } from 'vitest'
import { deviceBench, executor } from './support.ts'

const scripts = join(import.meta.dirname, '..', 'scripts')
const suite = join(import.meta.dirname, '..', '..', 'core', 'build-test', 'qpkv_native_test')
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const bundle = mkdtempSync(join(tmpdir(), 'qpkv-on-device-'))
afterAll(() => rmSync(bundle, { recursive: true, force: true }))

/** An unpacked bundle in which only what runs without a GPU has been built. */
function link(name: string, target: string): void {
  mkdirSync(dirname(join(bundle, name)), { recursive: true })
  symlinkSync(target, join(bundle, name))
}
link('models/reference', modelFolder)
link('build/core/qpkv_native_test', suite)
link('build/cuda/qpkv_device_bench', deviceBench)
writeFileSync(join(bundle, 'commands.json'), '[]')

interface Result {
  format: string
  dryRun: boolean
  steps: Record<string, Record<string, unknown>>
}
function run(...args: string[]): { status: number | null; stderr: string; result: () => Result } {
  const out = join(bundle, 'result.json')
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      '--conditions=@qpkv/source',
      '--import',
      tsx,
      join(scripts, 'on-device', 'run.ts'),
      '--bundle',
      bundle,
      '--out',
      out,
      ...args,
    ],
    { encoding: 'utf8' },
  )
  return { status, stderr, result: () => JSON.parse(readFileSync(out, 'utf8')) as Result }
}

describe('on-device.sh', { timeout: 300_000 }, () => {
  test('outside of a bundle says how to make one', () => {
    const { status, stderr } = spawnSync('bash', [join(scripts, 'on-device.sh')], { encoding: 'utf8' })
    expect(status).toBe(2)
    expect(stderr).toContain('pnpm cuda:bundle')
  })

  test('--dry-run runs nothing and says what each step would start and lacks', () => {
    const { status, result } = run('--dry-run')
    expect(status).toBe(0)
    const { format, dryRun, steps } = result()
    expect([format, dryRun]).toEqual(['qpkv-on-device/2', true])
    expect(Object.keys(steps)).toEqual(
      'build suite ceilings bench cublaslt peers end-to-end memcheck racecheck synccheck'.split(' '),
    )
    expect(steps['ceilings']).toEqual({
      wouldStart: join(bundle, 'build/cuda/qpkv_ceilings'),
      lacks: [join(bundle, 'build/cuda/qpkv_ceilings')],
    })
  })

  test('a step that there is not is refused with those that there are', () => {
    const { status, stderr } = run('--only', 'bensh')
    expect(status).toBe(2)
    expect(stderr).toContain('bench')
  })

  test.skipIf(![executor, suite, deviceBench].every((file) => existsSync(file)))(
    'runs the op suite with copies on the device, the bench, and leaves out what cannot run',
    () => {
      const { status, result } = run('--library', executor, '--small', '--only', 'suite,ceilings,bench')
      const { steps } = result()
      expect(steps['suite']).toMatchObject({ passed: true, failures: [], tests: [{}, {}] })
      expect(steps['bench']).toMatchObject({ passed: true })
      expect((steps['bench']!['times'] as unknown[]).length).toBeGreaterThan(20)
      expect(steps['ceilings']).toHaveProperty('skipped')
      expect(status).toBe(0)
      // A step that is run later leaves the others' results in the file.
      const later = run('--library', executor, '--small', '--only', 'ceilings')
      expect(later.result().steps['bench']).toEqual(steps['bench'])
    },
  )
})
