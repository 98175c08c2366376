// Mutations of the CUDA kernels: each barrier and wait deleted and each bound shifted by one both ways, which the op suite over the
// host executor must notice. All mutants are compiled into one copy of the sources, each behind a number (cuda-mutants), so that
// there is one build; a mutant is then tried with the tests that come by it, quickest first, until one fails, ends or hangs.
//   --only PART     of files' paths          --sample N   as many at random (--seed, by default 1), with the interval of the share
//   --jobs N        mutants at a time        --shard I/N  every Nth from the Ith on
//   --build         only build               --list       only list
// Prints what survives; exit status 1 when less than 90 % are caught. Survivors that change nothing that can be seen are explained
// in packages/cuda/mutations.json; they are not counted, and one that is caught nevertheless is a mistake there.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildMutants } from './cuda-mutants/mutated-library.ts'
import { TestsOfMutants } from './cuda-mutants/tests-of-mutants.ts'
import { label, type Mutant } from './cuda-mutants/write-mutants.ts'
import { root } from './workspace.ts'

interface Explanation {
  readonly file: string
  readonly change: Mutant['change']
  readonly text: string
  readonly before?: number
  readonly why: string
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '1' },
    shard: { type: 'string', default: '1/1' },
    build: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
})
const file = join(root, 'packages', 'cuda', 'mutations.json')
const explanations = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Explanation[]) : []
const explains = (m: Mutant) => (e: Explanation) =>
  e.file === m.file && e.change === m.change && e.text === m.text && (e.before ?? 0) === m.before

/** In an order that depends on the seed alone. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const list = [...items]
  let state = seed
  for (let i = list.length; i > 1; i--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const other = Math.floor((state / 2 ** 32) * i)
    ;[list[i - 1], list[other]] = [list[other]!, list[i - 1]!]
  }
  return list
}

/** Wilson's interval of 95 % for `part` of `whole`. */
function interval(part: number, whole: number): [number, number] {
  const z = 1.96
  const p = part / whole
  const middle = p + z ** 2 / (2 * whole)
  const half = z * Math.sqrt((p * (1 - p)) / whole + z ** 2 / (4 * whole ** 2))
  return [(middle - half) / (1 + z ** 2 / whole), (middle + half) / (1 + z ** 2 / whole)]
}

const { mutants, library } = buildMutants({ compile: !values.list })
const stale = explanations.filter((e) => !mutants.some((m) => explains(m)(e)))
for (const { file: of, text } of stale) console.log(`explains no mutant: ${of}: ${text}`)
const [shard, shards] = values.shard.split('/').map(Number) as [number, number]
let chosen = mutants
  .map((mutant, id) => ({ mutant, id }))
  .filter(({ mutant }) => mutant.file.includes(values.only))
if (values.sample !== undefined)
  chosen = shuffled(chosen, Number(values.seed)).slice(0, Number(values.sample))
chosen = chosen.filter((_, i) => i % shards === shard - 1)
if (values.list) for (const { mutant } of chosen) console.log(label(mutant))
if (values.list || values.build) {
  console.log(`${chosen.length} mutants of ${mutants.length}`)
  process.exit(stale.length === 0 ? 0 : 1)
}

const tests = await TestsOfMutants.find(library, mutants.length)
const counts = { caught: 0, survived: 0, explained: 0 }
const mistaken: Mutant[] = []
const begun = Date.now()
const waiting = [...chosen]
async function work(): Promise<void> {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const { mutant, id } = next
    const how = await tests.catches(id)
    const why = explanations.find(explains(mutant))
    if (how !== undefined && why) mistaken.push(mutant)
    if (how !== undefined) counts.caught++
    else if (why) counts.explained++
    else counts.survived++
    if (how === undefined && !why)
      console.log(`SURVIVED ${tests.reaches(id) ? '' : '(no test comes by) '}${label(mutant)}`)
    const done = chosen.length - waiting.length
    if (done % 100 === 0)
      console.log(`  ${done} of ${chosen.length}, ${((Date.now() - begun) / 1000).toFixed(0)} s`)
  }
}
await Promise.all(Array.from({ length: Number(values.jobs) }, work))
for (const mutant of mistaken) console.log(`is caught, and explained in mutations.json: ${label(mutant)}`)
const counted = counts.caught + counts.survived
const share = counted === 0 ? 1 : counts.caught / counted
const [low, high] = interval(counts.caught, Math.max(1, counted))
console.log(
  `${chosen.length} mutants of ${mutants.length} in ${((Date.now() - begun) / 1000).toFixed(0)} s: ${counts.caught} caught, ` +
    `${counts.survived} survived, ${counts.explained} explained: ${(100 * share).toFixed(1)} %` +
    (values.sample === undefined ? '' : ` (95 %: ${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`),
)
process.exit(share >= 0.9 && mistaken.length === 0 && stale.length === 0 ? 0 : 1)
