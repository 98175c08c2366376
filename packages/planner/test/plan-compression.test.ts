import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { KvError, loadRecipe, parseSpec, printSpec } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { planCompression, planningPicture, planningText, type PlanOptions } from '../src/index.ts'
import { randomModel } from './support/random-model.ts'

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { methods: registry, threads: 2 })
})
afterAll(() => model.dispose())

const specs = (...texts: string[]) => texts.map((text) => parseSpec(text))
const candidates = specs(
  'streamingllm+kivi:bits=4,recent=8',
  'keydiff+kivi:bits=8,recent=8',
  'keydiff+kivi:bits=4,recent=8',
  'keydiff+kivi:bits=2,recent=8',
  'keydiff+hadamard:bits=4,recent=8',
  'keydiff+hadamard:bits=3,recent=8',
  'none+kivi:bits=2,recent=8',
  'expected-attention+hadamard:bits=4,recent=8',
)

/** What an exhaustive search could reach at most: the best of all candidates on the very prompts that the planner is judged on. */
async function exhaustive(of: Model, options: PlanOptions): Promise<number> {
  let best = 0
  for (const candidate of options.candidates ?? []) {
    const { recommended } = await planCompression(of, { ...options, candidates: [candidate] }).catch(tooLarge)
    best = Math.max(best, recommended.quality.points)
  }
  return best
}

const tooLarge = (cause: unknown) => {
  if (KvError.isInstance(cause) && cause.code === 'KV_BUDGET_TOO_SMALL')
    return { recommended: { quality: { points: 0 } } }
  throw cause
}

describe('planCompression', { timeout: 120_000 }, () => {
  it('is within 2 points of exhaustive search, asked later, on the bundled model', async () => {
    const options = { budget: '48KiB', context: 768, registry, candidates, judged: 4 }
    const planning = await planCompression(model, options)
    expect(planning.points).toBe('answers')
    expect(planning.candidates).toBeLessThanOrEqual(candidates.length)
    const { points, answers } = planning.recommended.quality
    expect(answers).toBeGreaterThanOrEqual(30)
    expect(points).toBeGreaterThan(0.5)
    expect(points).toBeGreaterThanOrEqual((await exhaustive(model, options)) - 0.02)
  })

  it('is within 2 points of exhaustive search on a model that answers nothing, by next tokens', async () => {
    await using other = await loadModel(randomModel(3), { methods: registry, threads: 2 })
    const options = { budget: '24KiB', context: 512, registry, candidates, judged: 6, questions: 2 }
    const planning = await planCompression(other, options)
    expect(planning.points).toBe('next tokens')
    expect(planning.full.found).toBe(0)
    expect(planning.recommended.quality.points).toBeGreaterThanOrEqual(
      (await exhaustive(other, options)) - 0.02,
    )
    expect(planningText(planning)).toMatch(/does not answer such questions/)
  })

  it('measures prompts that hold their question, too', async () => {
    const few = specs('keydiff+kivi:bits=4,recent=8', 'streamingllm+kivi:bits=4,recent=8')
    const options = { budget: '96KiB', context: 512, registry, candidates: few, questions: 4, judged: 2 }
    const aware = await planCompression(model, { ...options, protocols: ['query-aware'] })
    expect(aware.recommended.spec.prune.method).toBe('keydiff')
    expect(aware.recommended.quality.points).toBeGreaterThan(0.7)
    expect(aware.recipe.protocols).toEqual(['query-aware'])
    const both = await planCompression(model, { ...options, protocols: ['query-aware', 'query-agnostic'] })
    expect(both.recommended.quality.answers).toBeGreaterThan(aware.recommended.quality.answers)
    expect(both.recipe.protocols).toHaveLength(2)
  })

  it('searches what is installed, is equal for equal seeds, and its recipe compresses within the budget', async () => {
    const options: PlanOptions = { budget: '64KiB', context: 320, registry, questions: 2, judged: 2 }
    const stages = new Set<string>()
    const first = await planCompression(model, { ...options, onProgress: ({ stage }) => stages.add(stage) })
    expect([...stages]).toEqual(['pruners', 'storage', 'layers, heads and tiers', 'timing decode', 'judging'])
    expect(first.candidates).toBeGreaterThan(60)
    expect(first.recommended.quality.points).toBeGreaterThan(0.85)
    const timeless = (planning: typeof first) => planning.judged.map((row) => ({ ...row, decodeMs: 0 }))
    expect(timeless(await planCompression(model, options))).toEqual(timeless(first))
    for (const { bytes, decodeMs } of first.judged) {
      expect(bytes).toBeLessThanOrEqual(65536)
      expect(decodeMs).toBeGreaterThan(0)
    }
    const recipe = loadRecipe(JSON.stringify(first.recipe))
    await using context = await model.prefill(
      Array.from({ length: 320 }, (_, i) => 20 + (i % 200)),
      { compression: { recipe } },
    )
    expect(context.report.bytes.planned).toBeLessThanOrEqual(65536)
    const text = planningText(first)
    expect(text).toContain(`recommended for 320 tokens: ${printSpec(first.recommended.spec)}`)
    expect(planningPicture(first)).toMatch(/^<svg[\s\S]*full cache/)
  })

  it('recommends the full cache where it fits, and says where nothing does', async () => {
    const plenty = await planCompression(model, {
      budget: '64MiB',
      context: 256,
      registry,
      questions: 2,
      judged: 2,
    })
    expect(printSpec(plenty.recommended.spec)).toBe('none+none')
    expect(plenty.recommended.quality.points).toBe(1)
    await expect(planCompression(model, { budget: 100, context: 256, registry })).rejects.toMatchObject({
      code: 'KV_BUDGET_TOO_SMALL',
    })
  })

  it('measures shorter prompts with the same share of bytes, on a text of the caller', async () => {
    const text = ' The quiet owl sings near the lake. A bold sailor paints the old bridge.'.repeat(80)
    const options = {
      budget: '128KiB',
      context: 2048,
      measure: 512,
      text,
      registry,
      candidates: candidates.slice(2, 6),
      judged: 2,
      questions: 2,
    }
    const planning = await planCompression(model, options)
    expect([planning.context, planning.measured]).toEqual([2048, 512])
    expect(planning.recommended.spec.budget).toEqual({ bytes: 131072 })
    expect(planning.recipe.tokens).toEqual({ from: 1, to: 2048 })
    await expect(planCompression(model, { ...options, text: 'short' })).rejects.toMatchObject({
      code: 'KV_DATA',
    })
  })

  it('ends when it is told to, and when its time is up', async () => {
    await expect(
      planCompression(model, { budget: '64KiB', context: 512, registry, signal: AbortSignal.timeout(300) }),
    ).rejects.toMatchObject({ code: 'KV_ABORTED' })
    const few = { budget: '64KiB', context: 256, registry, minutes: 0.001, questions: 2, judged: 3 }
    const short = await planCompression(model, few)
    expect(short.cutShort).toBe(true)
    // Within the first round of the search and within the first prompt that judges: one spec of each.
    expect(short.candidates).toBe(1)
    expect(short.judgedOn).toEqual({ prompts: 1, wanted: 3 })
    expect(planningText(short)).toMatch(
      /rests on \d answers about 1 prompt that the search has not seen; there was no time for the other 2/,
    )
    expect(planningText(short)).toMatch(/the time was up/)
  })

  it.each(['none+kivi:bits=2', 'keydiff+kivi:bits=8', 'keydiff+hadamard:bits=4', 'streamingllm+none'])(
    'predicts a decode step over %s within a fifth of what it takes',
    { retry: 4 },
    async (text) => {
      const options = { budget: '1MiB', context: 2048, registry, judged: 2, questions: 1 }
      const { decode, full } = await planCompression(model, { ...options, candidates: specs(text) })
      expect(decode?.tokens).toBeGreaterThan(1900)
      expect(decode?.predictedMs).toBeLessThan(1.2 * (decode?.measuredMs ?? NaN))
      expect(decode?.predictedMs).toBeGreaterThan(0.8 * (decode?.measuredMs ?? NaN))
      expect(full.decodeMs).toBeGreaterThan(0)
    },
  )

  it.each([
    [{ budget: 'much' }, /budget/],
    [{ context: 1e6 }, /context/],
    [{ protocols: ['known'] }, /protocols/],
    [{ measure: 10 }, /measure/],
    [{ minutes: 0 }, /minutes/],
    [{ bugdet: 1 }, /Did you mean budget/],
  ])('refuses wrong options: %j', async (change, words) => {
    const error: unknown = await planCompression(model, {
      budget: 1e6,
      context: 256,
      ...change,
    } as never).catch((cause: unknown) => cause)
    expect(KvError.isInstance(error) && `${error.code} ${error.message} ${error.hint ?? ''}`).toMatch(words)
  })
})
