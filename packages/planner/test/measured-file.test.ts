import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { KvError, parseSpec } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { planCompression, planningText, type CompressionPlanning, type PlanOptions } from '../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-measured-'))
let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { methods: registry, threads: 2 })
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await model.dispose()
})

const candidates = Array.from({ length: 14 }, (_, i) =>
  parseSpec(`${i % 2 === 0 ? 'keydiff' : 'streamingllm'}:last=${1 + (i >> 1)}+kivi:bits=4,recent=8`),
)
const options: PlanOptions = {
  budget: '48KiB',
  context: 320,
  protocols: ['query-agnostic', 'query-aware'],
  registry,
  candidates,
  questions: 2,
  judged: 2,
}
const linesOf = (file: string) => readFileSync(file, 'utf8').split('\n').slice(0, -1)
const outcomes = (file: string) => linesOf(file).filter((line) => line.includes('"kind":"outcome"'))
/** All but what depends on the clock. */
const timeless = ({ judged, recommended, full, candidates, judgedOn }: CompressionPlanning) => ({
  judged: judged.map((row) => ({ ...row, decodeMs: 0 })),
  recommended: recommended.spec,
  found: full.found,
  candidates,
  judgedOn,
})

/** Plans until so many specs were measured on prompts, and is told to stop then. */
async function planUntil(file: string, lines: number): Promise<void> {
  const stop = new AbortController()
  const watch = setInterval(() => {
    if (outcomes(file).length >= lines) stop.abort()
  }, 2)
  await expect(
    planCompression(model, { ...options, keep: { file }, signal: stop.signal }),
  ).rejects.toMatchObject({ code: 'KV_ABORTED' })
  clearInterval(watch)
}

describe('what was measured', { timeout: 120_000 }, () => {
  it('is kept line by line, and planning that stopped goes on with it to the same end', async () => {
    const [whole, broken] = [join(folder, 'whole.jsonl'), join(folder, 'broken.jsonl')]
    writeFileSync(broken, '')
    const unbroken = await planCompression(model, { ...options, keep: { file: whole } })
    expect(unbroken.takenOver).toBe(0)
    for (const lines of [1, 20, 50]) {
      await planUntil(broken, lines)
      appendFileSync(broken, '{"kind":"outcome","exc') // as a kill leaves it
    }
    const held = linesOf(broken)
    const resumed = await planCompression(model, { ...options, keep: { file: broken } })
    expect(linesOf(broken).slice(0, held.length)).toEqual(held)
    expect(timeless(resumed)).toEqual(timeless(unbroken))
    expect(outcomes(broken).toSorted()).toEqual(outcomes(whole).toSorted())
    expect(planningText(resumed)).toContain(`${resumed.takenOver} measurements were there already`)
    // A third time nothing is left to measure.
    const again = await planCompression(model, { ...options, keep: { file: broken } })
    expect(timeless(again)).toEqual(timeless(unbroken))
    expect(outcomes(broken)).toHaveLength(outcomes(whole).length)
  })

  it.each<[string, Partial<PlanOptions>]>([
    ['seed 1, now 2', { seed: 2 }],
    ['questions 2, now 1', { questions: 1 }],
    ['measure 320, now 640; context 320, now 640', { context: 640 }],
    [
      'qpkv nothing, now "9.9.9"',
      { keep: { file: join(folder, 'mine.jsonl'), versions: { qpkv: '9.9.9' } } },
    ],
  ])('of another run is refused by what differs: %s', async (words, change) => {
    const file = join(folder, 'mine.jsonl')
    const few = { ...options, candidates: candidates.slice(0, 1), keep: { file } }
    await planCompression(model, few)
    const before = readFileSync(file, 'utf8')
    const error: unknown = await planCompression(model, { ...few, ...change }).catch(
      (cause: unknown) => cause,
    )
    expect(KvError.isInstance(error) && `${error.code} ${error.message}`).toBe(
      `KV_CONFLICT ${file} holds another run: ${words}.`,
    )
    expect(readFileSync(file, 'utf8')).toBe(before)
  })

  it('of another run is given up when told to, of this run never', async () => {
    const file = join(folder, 'given-up.jsonl')
    const few = { ...options, candidates: candidates.slice(0, 1) }
    await planCompression(model, { ...few, keep: { file } })
    const before = linesOf(file)
    expect((await planCompression(model, { ...few, keep: { file, replace: true } })).takenOver).toBe(
      before.length - 1,
    )
    const other = await planCompression(model, { ...few, seed: 2, keep: { file, replace: true } })
    expect(other.takenOver).toBe(0)
    expect(linesOf(file)[0]).toContain('"seed":2')
  })

  it.each([
    ['no such file', '{"kind":"run"}\n', /is no file of "measured for a plan"/],
    ['a damaged line', undefined, /line 3: expected a sound kept/],
  ])('%s is refused and left as it is', async (_, content, words) => {
    const file = join(folder, 'damaged.jsonl')
    rmSync(file, { force: true })
    const few = { ...options, candidates: candidates.slice(0, 1), keep: { file, replace: true } }
    if (content !== undefined) writeFileSync(file, content)
    else {
      await planCompression(model, few)
      writeFileSync(file, readFileSync(file, 'utf8').replace('"kept":[', '"kept":[7,'))
    }
    const before = readFileSync(file, 'utf8')
    await expect(planCompression(model, few)).rejects.toThrow(words)
    expect(readFileSync(file, 'utf8')).toBe(before)
  })
})
