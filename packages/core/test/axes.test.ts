import { selectLayer } from '@qpkv/reference'
import { modelFolder } from '@qpkv/reference-model'
import {
  defineAllocator,
  definePruner,
  defineSharing,
  integer,
  type ScoreInput,
  type Selection,
  type SpecInput,
} from '@qpkv/spec'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadModel, type Context, type Model } from '../src/index.ts'
import { throwsKv } from './support/throws.ts'

/*
 * What plans say beside one score and one number, from a spec through the engine: kept positions are those of the
 * reference, which gets the keys and values that the engine had.
 */

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2, precision: 'f32' })
})
afterAll(() => model.dispose())

const ids = Array.from({ length: 200 }, (_, i) => 5 + ((i * 37) % 900))
const lowNorm: ScoreInput = { op: 'scale', factor: -1, of: [{ stat: 'key-norm' }] }
const valueNorm: ScoreInput = { stat: 'value-norm', norm: 1 }

const pruner = (selection: Selection) =>
  definePruner({ name: 'test', paper: '', options: {}, layer: () => selection })()
/** The first head of a layer keeps more than the others, and each layer has other numbers. */
const uneven = defineAllocator({
  name: 'uneven',
  paper: '',
  options: {},
  allocate: (_, { layers, storedHeads }) =>
    layers.map(({ capacity }, layer) =>
      Array.from({ length: storedHeads }, (_, head) =>
        head === 0 ? capacity + (storedHeads - 1) * (4 + layer) : capacity - 4 - layer,
      ),
    ),
})
const compete = defineSharing({
  name: 'compete',
  paper: '',
  options: {},
  share: () => ({ pool: 'layer', floor: 0.25 }),
})

const one: Selection = { score: lowNorm, protect: { first: 2, last: 8 } }
const stages: Selection = {
  stages: [
    { score: lowNorm, share: 0.5 },
    { score: valueNorm, share: 0.3 },
    { score: { op: 'scale', factor: -1, of: [valueNorm] }, share: 0.2 },
  ],
  protect: { last: 8 },
}
const named: Selection = {
  score: valueNorm,
  protect: { first: 1, last: 4, positions: [50, 60, 61], tokenIds: [ids[90]!] },
}
const budget = { tokens: 60 }
const specs: Record<string, SpecInput> = {
  'a number for each head': { budget, prune: pruner(one), allocate: uneven() },
  'several stages': { budget, prune: pruner(stages) },
  'stages, by score': { budget, prune: pruner({ ...stages, order: 'score' }) },
  'stages with a number for each head': { budget, prune: pruner(stages), allocate: uneven() },
  'positions and token ids': { budget, prune: pruner(named) },
  'positions where heads share slots': { budget, prune: pruner(named), share: compete() },
  'positions with a number for each head, per query head': {
    budget,
    heads: 'query',
    prune: pruner(named),
    allocate: uneven(),
  },
  'a ladder of blocks': {
    budget,
    prune: pruner({
      score: {
        op: 'block-pool',
        pool: 'mean',
        block: 7,
        of: [{ op: 'multiply', of: [valueNorm, valueNorm] }],
      },
      protect: {},
    }),
  },
}

test.each(Object.entries(specs))('keeps what the reference keeps: %s', async (_, spec) => {
  const { queryHeads, kvHeads, headDim, layers } = model.facts
  const seen: { k: Float32Array; v: Float32Array; positions: readonly Int32Array[] }[] = []
  await using context = await model.prefill(ids, {
    compression: spec,
    onLayer: async (layer) => {
      seen.push({ k: await layer.keys(), v: await layer.values(), positions: layer.positions })
    },
  })
  expect(seen).toHaveLength(layers)
  const { plan } = context.report
  for (const [l, { k, v, positions }] of seen.entries()) {
    const q = new Float32Array(queryHeads * ids.length * headDim) // no statistic here reads it
    const tensors = { q, k, v, queryHeads, kvHeads, tokens: ids.length, headDim }
    const { kept } = selectLayer(plan.layers[l]!, plan.heads, tensors)
    expect(positions, `layer ${l}`).toEqual(kept)
    for (const [head, list] of kept.entries())
      expect([...context.positions(l, head)].sort((a, b) => a - b)).toEqual([...list].sort((a, b) => a - b))
  }
  expect(context.report.bytes.allocated).toBe(context.report.bytes.planned)
  // What was kept is attended to: a step over it gives numbers.
  await context.append([7, 8, 9])
  expect((await context.logits()).every(Number.isFinite)).toBe(true)
})

test('named tokens stay in every head, wherever the heads share slots', async () => {
  await using context = await model.prefill(ids, {
    compression: specs['positions where heads share slots']!,
  })
  const same = ids.flatMap((id, t) => (id === ids[90] ? [t] : []))
  for (let head = 0; head < model.facts.kvHeads; head++)
    expect([...context.positions(0, head)]).toEqual(
      expect.arrayContaining([0, 50, 60, 61, ...same, 196, 197, 198, 199]),
    )
})

// ---- allocators that measure ------------------------------------------------------------------------------------------

/** Layers share the budget by the entropy of the last queries' attention. */
const byEntropy = defineAllocator({
  name: 'by-entropy',
  paper: '',
  options: { window: integer({ default: 8, min: 1, doc: 'Last queries that observe.' }) },
  measure: ({ window }) => ({
    score: {
      op: 'group',
      by: 'mean',
      of: [{ stat: 'attention', queries: { last: window, before: 'prompt-end' }, reduce: 'entropy' }],
    },
    last: window,
  }),
  allocate: ({ window }, { layers, prompt }) => {
    if (layers.some(({ measured }) => measured === undefined)) return undefined
    const worth = layers.map(({ measured }) =>
      measured!.reduce((sum, x, i) => sum + (i % prompt.tokens < prompt.tokens - window ? x : 0), 0),
    )
    const all = worth.reduce((sum, x) => sum + x, 0)
    const slots = layers.reduce((sum, { capacity }) => sum + capacity - window, 0)
    return worth.map((x) => window + Math.floor((slots * x) / all))
  },
})

const measuring: SpecInput = { budget, prune: pruner(one), allocate: byEntropy() }
const perLayer = ({ report }: Context) => report.kept.map((heads) => heads[0]!)

test('an allocator that measures gets what the layers gave, beside specs that measure nothing', async () => {
  const plain: SpecInput = { budget, prune: pruner(one) }
  const contexts = await model.prefill(ids, { compression: [plain, measuring, plain] })
  const [first, entropy, last] = contexts.map(perLayer)
  expect(first).toEqual(last)
  expect(new Set(first).size).toBe(1)
  expect(new Set(entropy).size).toBeGreaterThan(1)
  const used = entropy!.reduce((sum, n) => sum + n, 0)
  expect(used).toBeLessThanOrEqual(60 * model.facts.layers)
  expect(used).toBeGreaterThan(60 * model.facts.layers - model.facts.layers)
  expect(contexts[1]!.report.spentNominal).toBeLessThanOrEqual(1)
  expect(contexts.map(({ report }) => report.timings.promptPasses)).toEqual([1, 2, 1])
  expect(model.estimate(ids.length, [plain, measuring]).promptPasses).toEqual([1, 2])
  for (const context of contexts) await context.dispose()
})

test('what is measured is the expression, and does not depend on the threads', async () => {
  let seen: readonly (Float32Array | undefined)[] = []
  const looks = defineAllocator({
    name: 'looks',
    paper: '',
    options: {},
    measure: () => ({ score: lowNorm }),
    allocate: (_, { layers }) => {
      seen = layers.map(({ measured }) => measured)
      return undefined
    },
  })
  const spec: SpecInput = { budget, prune: pruner(one), allocate: looks() }
  const scores: (Float32Array | undefined)[] = []
  await using context = await model.prefill(ids, {
    compression: spec,
    onLayer: async (layer) => {
      scores.push(await layer.scores())
    },
  })
  expect(perLayer(context)).toEqual(scores.map(() => 60))
  expect(seen).toEqual(scores) // the pruner's score is the same expression
  await using other = await loadModel(modelFolder, { threads: 1, precision: 'f32' })
  const before = seen
  await using again = await other.prefill(ids, { compression: spec })
  expect(perLayer(again)).toEqual(perLayer(context))
  expect(seen).toEqual(before)
})

test('a measurement that no layer can give is refused before the prompt is read', async () => {
  const wrong = (measure: unknown) =>
    defineAllocator({
      name: 'wrong',
      paper: '',
      options: {},
      measure: () => measure as { score: ScoreInput },
      allocate: () => undefined,
    })()
  const run = (measure: unknown) => () =>
    model.prefill(ids, { compression: { budget, prune: pruner(one), allocate: wrong(measure) } })
  await throwsKv('KV_METHOD', /wrong\.measure \(layer 0\).*scor/, run({ scor: lowNorm }))
  await throwsKv('KV_UNSUPPORTED', /wrong\.measure.*key-nrm/, run({ score: { stat: 'key-nrm' } }))
  await throwsKv('KV_METHOD', /last/, run({ score: lowNorm, last: -1 }))
  await throwsKv('KV_METHOD', /per query head/, run({ score: { stat: 'attention' } }))
  const signal = AbortSignal.abort()
  await throwsKv('KV_ABORTED', /cancelled/, () => model.prefill(ids, { compression: measuring, signal }))
})
