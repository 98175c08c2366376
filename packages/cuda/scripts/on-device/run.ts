// What on-device.sh starts: builds, verifies and measures, and writes one JSON file anew after each step. See on-device.sh.
import {
  accessSync,
  constants,
  existsSync,
  readFileSync,
  realpathSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { start } from './start.ts'
import { stepsFor, type Outcome } from './steps.ts'

const { values } = parseArgs({
  options: {
    'dry-run': { type: 'boolean', default: false },
    out: { type: 'string', default: 'result.json' },
    only: { type: 'string' },
    limit: { type: 'string', default: '1800' },
    // For a test of these steps without a GPU: another backend, small sizes.
    library: { type: 'string' },
    small: { type: 'boolean', default: false },
    bundle: { type: 'string', default: import.meta.dirname },
  },
})
const bundle = resolve(values.bundle)

/** Where a program lies, or undefined. */
function find(program: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, program)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // the next folder
    }
  }
  return undefined
}

const nvcc = find('nvcc')
const cudaHome = process.env['CUDA_HOME'] ?? (nvcc ? dirname(dirname(realpathSync(nvcc))) : '/usr/local/cuda')
process.env['PATH'] = `${join(cudaHome, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`
const steps = stepsFor({
  bundle,
  cudaHome,
  library: resolve(values.library ?? join(bundle, 'build', 'cuda', 'qpkv_cuda.so')),
  small: values.small,
  limitSeconds: Number(values.limit),
})
if (!(Number(values.limit) > 0)) {
  console.error(`--limit ${values.limit}: expected how many seconds a program may take`)
  process.exit(2)
}
const only = values.only?.split(',')
const unknown = only?.find((name) => !steps.some((step) => step.name === name))
if (unknown !== undefined) {
  console.error(`--only ${unknown}: expected some of ${steps.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
const lacking = (needs: readonly string[]) =>
  needs.filter((need) => (need.includes('/') ? !existsSync(need) : find(need) === undefined))

async function query(what: string): Promise<string | undefined> {
  const { status, stdout } = await start('nvidia-smi', [`--query-gpu=${what}`, '--format=csv,noheader'])
  return status === 0 ? stdout.trim() : undefined
}

async function firstLine(command: string, args: readonly string[]): Promise<string | undefined> {
  const { status, stdout } = await start(command, args)
  return status === 0 ? stdout.trim().split('\n').at(-1) : undefined
}

type Steps = Record<string, Outcome | { skipped: string } | { wouldStart: string; lacks: string[] }>
const FORMAT = 'qpkv-on-device/2'
const version = join(bundle, 'version.json')
/** Steps may be run one by one: what the others left in the file stays, if it is of the same sources. */
function earlier(source: unknown): Steps {
  if (values['dry-run'] || !only || !existsSync(values.out)) return {}
  const before = JSON.parse(readFileSync(values.out, 'utf8')) as typeof result
  const same =
    before.format === FORMAT && !before.dryRun && JSON.stringify(before.source) === JSON.stringify(source)
  return same ? before.steps : {}
}
const source = existsSync(version) ? (JSON.parse(readFileSync(version, 'utf8')) as unknown) : null
const result = {
  format: FORMAT,
  source,
  date: new Date().toISOString(),
  dryRun: values['dry-run'],
  cards: (await query('name,memory.total,compute_cap,driver_version,clocks.max.sm,power.limit')) ?? null,
  toolkit: (await firstLine('nvcc', ['--version'])) ?? null,
  system: (await firstLine('uname', ['-srm'])) ?? null,
  steps: earlier(source),
}
const write = () => {
  writeFileSync(`${values.out}.part`, `${JSON.stringify(result, undefined, 2)}\n`)
  renameSync(`${values.out}.part`, values.out)
}
let failures = 0
for (const { name, starts, needs, run } of steps) {
  if (only && !only.includes(name)) continue
  const lacks = lacking(needs)
  if (values['dry-run']) {
    result.steps[name] = { wouldStart: starts, lacks }
    console.log(
      `${name.padEnd(12)} ${starts}${lacks.length > 0 ? `\n${' '.repeat(13)}lacks ${lacks.join(', ')}` : ''}`,
    )
  } else if (lacks.length > 0) {
    result.steps[name] = { skipped: `lacks ${lacks.join(', ')}` }
    console.log(`${name.padEnd(12)} skipped: lacks ${lacks.join(', ')}`)
  } else {
    const outcome = await run()
    result.steps[name] = outcome
    if (!outcome.passed) ++failures
    console.log(`${name.padEnd(12)} ${outcome.passed ? 'passed' : 'FAILED'}`)
  }
  write()
}
console.log(`${values.out} written`)
process.exit(failures > 0 ? 1 : 0)
