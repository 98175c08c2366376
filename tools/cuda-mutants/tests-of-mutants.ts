import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { opTests } from '../../packages/cuda/scripts/on-device/op-tests.ts'
import { suite } from './mutated-library.ts'

/** One case in `every` of the long tests, schedules from `seed` on; in turn, each for what the ones before it let pass. */
const turns = [
  { every: '23', seed: '0' },
  { every: '5', seed: '1' },
  { every: '5', seed: '3' },
] as const

/** A program that hangs uses its seconds up, however busy the machine is; cores are not written. */
const withinSeconds = 'ulimit -c 0; ulimit -S -t "$0"; exec "$@"'

interface Test {
  readonly name: string
  readonly ms: number
  /** Per mutant, whether the test comes by it. */
  readonly reached: Uint8Array
}

/** Which tests come by a mutant, and whether one of them catches it. */
export class TestsOfMutants {
  /** Per test and file, how many of the file's mutants it has caught. */
  private readonly caught = new Map<string, number>()

  private constructor(
    private readonly library: string,
    /** Of what was built: outcomes hold for it alone. */
    readonly built: string,
    private readonly tests: readonly Test[],
  ) {}

  /** Runs every test once, with no mutant; what it finds is kept in `folder` for the same build. */
  static async find(library: string, mutants: number, folder: string): Promise<TestsOfMutants> {
    const hash = createHash('sha256').update(readFileSync(library)).update(readFileSync(suite))
    const built = hash.digest('hex').slice(0, 16)
    const of = new TestsOfMutants(library, built, [])
    const kept = join(folder, `reached-${built}`)
    mkdirSync(kept, { recursive: true })
    const tests: Test[] = []
    for (const name of opTests.map((test) => test.slice(1))) {
      const file = join(kept, name)
      const time = `${file}.ms`
      if (!existsSync(time)) {
        rmSync(file, { force: true })
        const begun = performance.now()
        const how = await of.run(name, turns[1], 600, { QPKV_MUTANTS_REACHED: file })
        if (how !== undefined) throw new Error(`${name} fails without any mutant (${how})`)
        writeFileSync(time, String(performance.now() - begun))
      }
      const reached = new Uint8Array(readFileSync(file))
      if (reached.length !== mutants)
        throw new Error(`${name} counted ${reached.length} mutants, not ${mutants}`)
      tests.push({ name, ms: Number(readFileSync(time, 'utf8')), reached })
    }
    return new TestsOfMutants(library, built, tests)
  }

  /** Of floats there are changes that move nothing. */
  isNone(mutant: number): boolean {
    return this.tests.some(({ reached }) => reached[mutant] === 2)
  }

  reaches(mutant: number): boolean {
    return this.tests.some(({ reached }) => reached[mutant] === 1)
  }

  /** By which test and how; undefined when it survives all. Tests that caught mutants of the same file come first, then quick ones. */
  async catches(mutant: number, file: string): Promise<string | undefined> {
    const worth = ({ name, ms }: Test) => (1 + (this.caught.get(`${file} ${name}`) ?? 0)) / ms
    const tests = this.tests.filter(({ reached }) => reached[mutant] === 1)
    tests.sort((a, b) => worth(b) - worth(a))
    for (const turn of turns)
      for (const { name, ms } of tests) {
        const how = await this.run(name, turn, Math.ceil(5 + ms / 100), { QPKV_MUTANT: String(mutant) })
        if (how === undefined) continue
        this.caught.set(`${file} ${name}`, (this.caught.get(`${file} ${name}`) ?? 0) + 1)
        return `${name} ${how}`
      }
    return undefined
  }

  /** Undefined when it passes. */
  private run(
    name: string,
    { every, seed }: { every: string; seed: string },
    seconds: number,
    env: Record<string, string>,
  ): Promise<string | undefined> {
    const child = spawn('sh', ['-c', withinSeconds, String(seconds), suite, `=${name}`], {
      stdio: 'ignore',
      timeout: 3_600_000,
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
      child.on('close', (status, signal) => {
        if (signal === 'SIGKILL' || signal === 'SIGTERM')
          fail(new Error(`${name} was killed from outside; what was found is kept, so call this again`))
        else done(status === 0 ? undefined : status === 1 ? 'fails' : signal === 'SIGXCPU' ? 'hangs' : 'ends')
      })
    })
  }
}
