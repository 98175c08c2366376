// Mutations of the CUDA kernels: each barrier and wait deleted and each bound shifted by one both ways, which the op suite over the
// host executor must notice. All mutants are compiled into one copy of the sources, each behind a number (cuda-mutants), so that
// there is one build; a mutant is then tried with the tests that come by it, until one fails, ends or hangs.
//   --only PART     of files' paths          --sample N   as many at random (--seed, by default 1), with the interval of the share
//   --jobs N        mutants at a time        --shard I/N  every Nth from the Ith on
//   --build         only build               --list       only list                --again   also what is known of this build
//   --write FILE    the outcomes as a table into a Markdown file, between its two comments
// Outcomes are kept in packages/cuda/build/mutants/outcomes.jsonl as they come: a run that was ended goes on where it stopped.
// Prints what survives; exit status 1 when less than 90 % are caught. Survivors that change nothing that can be seen are explained
// in packages/cuda/mutations.json; they are not counted, and one that is caught nevertheless is a mistake there.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildMutants, work } from './cuda-mutants/mutated-library.ts'
import { Outcomes } from './cuda-mutants/outcomes.ts'
import { sharesOf, summary, table, type Tried } from './cuda-mutants/report.ts'
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
    again: { type: 'boolean', default: false },
    write: { type: 'string' },
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

const tests = await TestsOfMutants.find(library, mutants.length, work)
chosen = chosen.filter(({ id }) => !tests.isNone(id))
const outcomes = new Outcomes(join(work, 'outcomes.jsonl'), tests.built)
const tried: Tried[] = []
const begun = Date.now()
const seconds = () => `${((Date.now() - begun) / 1000).toFixed(0)} s`
const waiting = [...chosen]
async function tryNext(): Promise<void> {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const { mutant, id } = next
    let outcome = values.again ? undefined : outcomes.get(mutant)
    if (outcome === undefined) {
      outcome = { ...mutant, by: (await tests.catches(id, mutant.file)) ?? null, reached: tests.reaches(id) }
      outcomes.add(outcome)
    }
    const why = explanations.find(explains(mutant))?.why
    tried.push({ outcome, why })
    if (outcome.by === null && why === undefined)
      console.log(`SURVIVED ${outcome.reached ? '' : '(no test comes by) '}${label(mutant)}`)
    if (tried.length % 50 === 0) console.log(`  ${tried.length} of ${chosen.length}, ${seconds()}`)
  }
}
await Promise.all(Array.from({ length: Number(values.jobs) }, tryNext))
const mistaken = tried.filter(({ outcome, why }) => outcome.by !== null && why !== undefined)
for (const { outcome } of mistaken)
  console.log(`is caught (${outcome.by}), and explained in mutations.json: ${label(outcome)}`)
console.log(`${tried.length} mutants of ${mutants.length} in ${seconds()}: ${summary(tried)}`)
if (values.write !== undefined) {
  const [head, , tail] = readFileSync(values.write, 'utf8').split(/<!-- (?:end of )?outcomes -->/)
  if (tail === undefined)
    throw new Error(`${values.write} lacks <!-- outcomes --> and <!-- end of outcomes -->`)
  writeFileSync(
    values.write,
    `${head}<!-- outcomes -->\n\n${summary(tried)}\n\n${table(tried)}\n\n<!-- end of outcomes -->${tail}`,
  )
}
process.exit(sharesOf(tried).share >= 0.9 && mistaken.length === 0 && stale.length === 0 ? 0 : 1)
