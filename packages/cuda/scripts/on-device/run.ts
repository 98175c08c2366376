// What on-device.sh starts: builds, verifies and measures, and writes one JSON file anew after each step. See on-device.sh.
import { accessSync, constants, existsSync, realpathSync, renameSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { start } from './start.ts'
import { stepsFor, type Outcome } from './steps.ts'

const { values } = parseArgs({
  options: {
    'dry-run': { type: 'boolean', default: false },
    out: { type: 'string', default: 'result.json' },
    only: { type: 'string' },
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
})
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

const result = {
  format: 'qpkv-on-device/1',
  date: new Date().toISOString(),
  dryRun: values['dry-run'],
  cards: await query('name,memory.total,compute_cap,driver_version,clocks.max.sm,power.limit'),
  steps: {} as Record<string, Outcome | { skipped: string } | { wouldStart: string; lacks: string[] }>,
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
