import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, type BuildCommand } from './build.ts'
import { opTests } from './op-tests.ts'
import { jsonLines, start, type Started } from './start.ts'

/** What a step left: whether it passed, and whatever it found. */
export interface Outcome {
  readonly passed: boolean
  readonly [found: string]: unknown
}

export interface Step {
  readonly name: string
  /** What it would start, for --dry-run. */
  readonly starts: string
  /** Programs that must be on the PATH, and files of the bundle or of an earlier step. */
  readonly needs: readonly string[]
  readonly run: () => Promise<Outcome>
}

export interface Place {
  /** The unpacked bundle. */
  readonly bundle: string
  readonly cudaHome: string
  /** The backend that is looked at; in the bundle it is what the first step builds. */
  readonly library: string
  /** Sizes for a test of these steps on the host executor. */
  readonly small: boolean
  /** Of a program that a step starts. */
  readonly limitSeconds: number
}

const outcomeOf = ({ status, seconds, tail }: Started, found: object = {}): Outcome => ({
  passed: status === 0,
  seconds,
  ...found,
  ...(status !== 0 && { status, tail }),
})

export function stepsFor({ bundle, cudaHome, library, small, limitSeconds }: Place): Step[] {
  const built = (name: string) => join(bundle, 'build', name)
  const suite = built('core/qpkv_native_test')
  const bench = built('cuda/qpkv_device_bench')
  const addon = built('addon/Release/qpkv_core.node')
  const filters = small ? ['=RmsNorm', '=CountTokens'] : opTests
  // Its ops are given copies on the device (core's native/test/staged_ops.h).
  const reached = { QPKV_TEST_BACKEND: library }
  const models = readdirIfThere(join(bundle, 'models'))

  const sanitizer = (tool: string): Step => ({
    name: tool,
    starts: `compute-sanitizer --tool ${tool} over the op suite, one case in 23`,
    needs: ['compute-sanitizer', suite, library],
    run: async () => {
      const args = ['--tool', tool, '--error-exitcode', '9', suite, ...filters]
      const env = { ...reached, QPKV_TEST_EVERY: '23' }
      return outcomeOf(await start('compute-sanitizer', args, { env, limitSeconds }))
    },
  })

  // What measures comes before what takes long: a borrowed machine may go.
  return [
    {
      name: 'build',
      starts: 'nvcc and g++ over the sources of the bundle (commands.json)',
      needs: ['nvcc', 'g++', join(bundle, 'commands.json')],
      run: async () => {
        const commands = JSON.parse(readFileSync(join(bundle, 'commands.json'), 'utf8')) as BuildCommand[]
        const failed = await build(bundle, commands, cudaHome)
        return { passed: failed.length === 0, commands: commands.length, failed }
      },
    },
    {
      name: 'suite',
      starts: `${suite} with each of ${filters.length} tests`,
      needs: [suite, library],
      run: async () => {
        // Each in a process of its own: a fault of the device ends all that a process has there.
        const tests = []
        for (const name of filters) {
          const done = await start(suite, [name], { env: reached, limitSeconds: Math.min(300, limitSeconds) })
          tests.push({ name: name.slice(1), ...outcomeOf(done) })
        }
        const failures = tests.filter(({ passed }) => !passed).map(({ name }) => name)
        return { passed: failures.length === 0, failures, tests }
      },
    },
    {
      name: 'ceilings',
      starts: built('cuda/qpkv_ceilings'),
      needs: [built('cuda/qpkv_ceilings')],
      run: async () => {
        const done = await start(built('cuda/qpkv_ceilings'), [], { limitSeconds })
        return outcomeOf(done, { ceilings: jsonLines(done.stdout) })
      },
    },
    {
      name: 'bench',
      starts: `${bench} ${library}`,
      needs: [bench, library],
      run: async () => {
        const done = await start(bench, [library, ...(small ? ['--small'] : [])], { limitSeconds })
        return outcomeOf(done, { times: jsonLines(done.stdout) })
      },
    },
    {
      name: 'cublaslt',
      starts: `QPKV_CUBLASLT=auto: ${suite} =MatmulManyRows, then ${bench} ${library}`,
      needs: [suite, bench, library],
      run: async () => {
        const env = { ...reached, QPKV_CUBLASLT: 'auto' }
        const products = await start(suite, ['=MatmulManyRows'], { env, limitSeconds })
        if (products.status !== 0) return outcomeOf(products)
        const done = await start(bench, [library, ...(small ? ['--small'] : [])], { env, limitSeconds })
        return outcomeOf(done, { times: jsonLines(done.stdout) })
      },
    },
    {
      name: 'peers',
      starts: 'python3 peers.py',
      needs: ['python3', join(bundle, 'peers.py')],
      run: async () => {
        const done = await start('python3', [join(bundle, 'peers.py')], { limitSeconds })
        return outcomeOf(done, { peers: jsonLines(done.stdout) })
      },
    },
    {
      name: 'end-to-end',
      starts: `end-to-end.js over ${models.length} models, CPU beside device`,
      needs: [addon, library, join(bundle, 'models', 'reference')],
      run: async () => {
        const env = { QPKV_CORE_NATIVE: addon, QPKV_CUDA_LIBRARY: library }
        const done = []
        for (const model of small ? models.slice(0, 1) : models) {
          const one = await start(process.execPath, [join(bundle, 'end-to-end.js'), model], {
            env,
            limitSeconds,
          })
          done.push({ model, ...outcomeOf(one, { answers: jsonLines(one.stdout) }) })
        }
        return { passed: done.every(({ passed }) => passed), models: done }
      },
    },
    sanitizer('memcheck'),
    sanitizer('racecheck'),
    sanitizer('synccheck'),
  ]
}

const readdirIfThere = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .sort()
        .map((name) => join(folder, name))
    : []
