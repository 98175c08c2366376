import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { opTests } from '../../packages/cuda/scripts/on-device/op-tests.ts'
import { suite } from './mutated-library.ts'

/** One case in `every` of the long tests, schedules from `seed` on; in turn, each for what the ones before it let pass. */
const turns = [
  { every: '23', seed: '0' },
  { every: '5', seed: '1' },
  { every: '5', seed: '3' },
] as const

interface Test {
  readonly name: string
  readonly ms: number
  /** Per mutant, whether the test comes by it. */
  readonly reached: Uint8Array
}

/** Which tests come by a mutant, and whether one of them catches it. */
export class TestsOfMutants {
  private constructor(
    private readonly library: string,
    private readonly tests: readonly Test[],
  ) {}

  /** Runs every test once, with no mutant. */
  static async find(library: string, mutants: number): Promise<TestsOfMutants> {
    const folder = mkdtempSync(join(tmpdir(), 'qpkv-mutants-'))
    const of = new TestsOfMutants(library, [])
    const names = new Set<string>()
    const every = { QPKV_TEST_BACKEND: library, QPKV_TEST_EVERY: '1000' }
    const all = spawnSync(suite, opTests, { encoding: 'utf8', env: { ...process.env, ...every } })
    for (const [, name] of all.stdout.matchAll(/^ok +(\w+) \(/gm)) names.add(name!)
    if (all.status !== 0)
      throw new Error(`The op suite fails without any mutant:\n${all.stdout.slice(-2000)}`)
    const tests: Test[] = []
    for (const name of names) {
      const file = join(folder, name)
      const begun = performance.now()
      const how = await of.run(name, turns[1], 600_000, { QPKV_MUTANTS_REACHED: file })
      if (how !== undefined) throw new Error(`${name} fails without any mutant (${how})`)
      const reached = new Uint8Array(readFileSync(file))
      if (reached.length !== mutants)
        throw new Error(`${name} counted ${reached.length} mutants, not ${mutants}`)
      tests.push({ name, ms: performance.now() - begun, reached })
    }
    rmSync(folder, { recursive: true })
    return new TestsOfMutants(
      library,
      tests.sort((a, b) => a.ms - b.ms),
    )
  }

  reaches(mutant: number): boolean {
    return this.tests.some(({ reached }) => reached[mutant] === 1)
  }

  /** By which test and how; undefined when it survives all. */
  async catches(mutant: number): Promise<string | undefined> {
    for (const turn of turns)
      for (const { name, ms, reached } of this.tests) {
        if (reached[mutant] !== 1) continue
        const how = await this.run(name, turn, Math.ceil(5_000 + 10 * ms), { QPKV_MUTANT: String(mutant) })
        if (how !== undefined) return `${name} ${how}`
      }
    return undefined
  }

  /** Undefined when it passes. */
  private run(
    name: string,
    { every, seed }: { every: string; seed: string },
    timeout: number,
    env: Record<string, string>,
  ): Promise<string | undefined> {
    const child = spawn(suite, [`=${name}`], {
      stdio: 'ignore',
      timeout,
      killSignal: 'SIGKILL',
      env: {
        ...process.env,
        QPKV_TEST_BACKEND: this.library,
        QPKV_TEST_EVERY: every,
        QPKV_TEST_STOP: '1',
        QPKV_EXECUTOR_SEED: seed,
        ...env,
      },
    })
    return new Promise((done, fail) => {
      child.on('error', fail)
      child.on('close', (status, signal) =>
        done(status === 0 ? undefined : status === 1 ? 'fails' : signal === 'SIGKILL' ? 'hangs' : 'ends'),
      )
    })
  }
}
