import { definePruner, defineQuantizer, exactFormat } from '@qpkv/spec'
import { describe, expect, it } from 'vitest'
import { fakeModel } from './support/fake-model.ts'
import { throwsKv } from './support/throws.ts'

const half = definePruner({
  name: 'half',
  paper: '',
  options: {},
  layer: () => ({
    score: {
      op: 'group',
      of: [{ stat: 'attention', queries: { last: 1, before: 'user-end' } }],
    },
    protect: { last: 1 },
  }),
  score: (_, { scores }) => scores.map((value) => -value),
})
const broken = definePruner({
  options: {},
  name: 'broken',
  paper: '',
  layer: (_, at) => half.bind({}, 'prune').layer(at),
  score: () => new Float32Array(1),
})
const doubling = defineQuantizer({
  name: 'doubling',
  paper: '',
  options: {},
  format: () => ({ key: exactFormat(), value: exactFormat(), simulated: { keyBits: 4, valueBits: 4 } }),
  simulation: {
    used: () => true,
    roundTrip: (_, { values }) => ({ values: values.map((value) => 2 * value), bytes: 100 }),
    bytes: () => 100,
  },
})
const ids = Array.from({ length: 20 }, (_, i) => i)

describe('prefill', () => {
  it('serves several specs in one pass, in their order', async () => {
    const { model } = await fakeModel({ methods: [half] })
    const layers: number[] = []
    const contexts = await model.prefill(ids, {
      compression: [{}, { prune: half(), budget: { tokens: 5 } }, 'half+none@50%'],
      onProgress: ({ layer }) => layers.push(layer),
    })
    expect(contexts.map(({ report }) => report.keptPerHead)).toEqual([20, 5, 10])
    expect(layers).toEqual([1, 2])
    const [full, five] = contexts.map(({ report }) => report)
    expect(full?.bytes.planned).toBe(full?.bytes.allocated)
    expect(full?.fullBytes).toBe(20 * 2 * 2 * 32 * 4)
    expect(five?.spec).toEqual({
      specVersion: 2,
      budget: { tokens: 5 },
      prune: { method: 'half' },
      quantize: { method: 'none' },
    })
    expect(five?.plan.layers[0]?.kept).toEqual([5, 5])
    expect(five?.kept).toEqual([
      [5, 5],
      [5, 5],
    ])
    expect(JSON.parse(JSON.stringify(five))).toEqual(five)
  })

  it('hands observed scores to the pruner and its scores to the engine', async () => {
    const { model, log } = await fakeModel()
    await model.prefill(ids, { compression: { prune: half(), budget: { tokens: 5 } } })
    const given = log.compress[0]?.options?.scores
    expect(given).toHaveLength(40)
    expect(given?.[3]).toBe(-3)
    expect(given?.[23]).toBeCloseTo(-3.1, 5)
  })

  it('refuses scores of another length', async () => {
    const { model } = await fakeModel()
    await throwsKv('KV_METHOD', /40 scores \[2, 20\]/, () =>
      model.prefill(ids, { compression: { prune: broken(), budget: { tokens: 5 } } }),
    )
  })

  it('lets a quantizer in TypeScript code the kept tokens, and counts its bytes', async () => {
    const { model, log } = await fakeModel()
    const context = await model.prefill(ids, {
      compression: { prune: half(), quantize: doubling(), budget: { tokens: 5 } },
    })
    const [select, store] = log.compress.map(({ options }) => options)
    expect(select?.selectOnly).toBe(true)
    const key = store?.replacement?.key
    expect(key).toHaveLength(2 * 20 * 32)
    expect(key?.[4 * 32]).toBe(2 * 4 * 32) // kept: doubled
    expect(key?.[(20 + 4) * 32]).toBe(2 * (20 + 4) * 32) // second head
    expect(key?.[5 * 32]).toBe(0) // not kept
    expect(context.report.bytes.simulated).toBe(400)
  })

  it.each([
    [{ values: new Float32Array(3), bytes: 3 }, 'KV_METHOD', /Float32Array of \d+ values from .*roundTrip/],
    [{ bytes: 3 }, 'KV_METHOD', /Float32Array/],
    [undefined, 'KV_METHOD', /\{ values, bytes \}/],
    [(values: Float32Array) => ({ values, byts: 3 }), 'KV_METHOD', /byts.*[^]*Did you mean bytes/],
    [(values: Float32Array) => ({ values, bytes: NaN }), 'KV_METHOD', /bytes/],
    [(values: Float32Array) => ({ values: values.fill(NaN), bytes: 3 }), 'KV_NUMERIC', /NaN came from/],
  ] as const)('looks at what a simulated quantizer gives back: %j', async (answer, code, words) => {
    const broken = defineQuantizer({
      name: 'broken',
      paper: '',
      options: {},
      format: () => ({ key: exactFormat(), value: exactFormat(), simulated: { keyBits: 4, valueBits: 4 } }),
      simulation: {
        used: () => true,
        roundTrip: (_, { values }) => (typeof answer === 'function' ? answer(values) : answer) as never,
        bytes: () => 100,
      },
    })
    const { model } = await fakeModel()
    await throwsKv(code, words, () => model.prefill(ids, { compression: { quantize: broken() } }))
  })

  it('counts a layer that an override leaves exact beside the simulated ones', async () => {
    const { model, log } = await fakeModel()
    const { report } = await model.prefill(ids, {
      compression: { quantize: doubling(), layers: [{ from: 1, to: 2, keyBits: 16, valueBits: 16 }] },
    })
    expect(log.compress.map(({ options }) => options?.replacement !== undefined)).toEqual([
      false,
      true,
      false,
    ])
    // Half of what an exact cache plans is the second layer's.
    expect(report.bytes.simulated).toBe(200 + report.bytes.planned / 2)
  })

  it('knows the end of the user turn', async () => {
    const { model } = await fakeModel()
    const context = await model.prefill([{ role: 'user', content: 'The boat' }], {
      compression: { prune: half(), budget: { tokens: 5 } },
    })
    const { plan } = context.report
    expect(plan.userEnd).toBeLessThan(plan.promptTokens)
    const moved = await model.prefill(ids, {
      userEnd: 7,
      compression: { prune: half(), budget: { tokens: 5 } },
    })
    expect(moved.report.plan.userEnd).toBe(7)
  })

  it('refuses a prompt that is too long, unless allowed', async () => {
    const { model } = await fakeModel()
    const long = Array.from({ length: 65 }, () => 1)
    await throwsKv('KV_PROMPT_TOO_LONG', /65 tokens.*made for 64[^]*allowLongPrompt/, () =>
      model.prefill(long),
    )
    expect((await model.prefill(long, { allowLongPrompt: true })).tokens).toBe(65)
  })

  it('refuses what would not fit in memory, with the figures', async () => {
    const { model } = await fakeModel({ memoryLimit: 2 ** 20 })
    await throwsKv('KV_MEMORY', /prefill of 20 tokens needs about .*prefill work .*cache/, () =>
      model.prefill(ids),
    )
  })

  it('runs nothing unless every spec is good', async () => {
    const { model, log } = await fakeModel()
    await throwsKv('KV_UNKNOWN_METHOD', /nosuch/, () =>
      model.prefill(ids, { compression: [{}, 'nosuch+none'] }),
    )
    await throwsKv('KV_INVALID_SPEC', /not a budget/, () =>
      model.prefill(ids, { compression: 'none+none@7' }),
    )
    await throwsKv('KV_INVALID_OPTION', /at least one spec/, () => model.prefill(ids, { compression: [] }))
    expect(log.compress).toEqual([])
  })

  it('is cancelled by its signal and leaves nothing behind', async () => {
    const { model, log } = await fakeModel()
    log.stepMs = 20
    const controller = new AbortController()
    setTimeout(() => {
      controller.abort()
    }, 5)
    await throwsKv('KV_ABORTED', /cancelled/, () => model.prefill(ids, { signal: controller.signal }))
    expect(log.disposed).toBe(1)
    await throwsKv('KV_ABORTED', /cancelled/, () => model.prefill(ids, { signal: AbortSignal.abort() }))
  })

  it('needs a model that is there', async () => {
    const { model } = await fakeModel()
    await model.dispose()
    await model.dispose()
    await throwsKv('KV_DISPOSED', /model was disposed/, () => model.prefill(ids))
    expect(model.tokenizer?.decode([100])).not.toBe('') // what needs no weights stays
    await throwsKv('KV_DISPOSED', /model was disposed/, () => model.tokenize('text'))
  })
})

describe('appending to a context whose pruner looked at the question', () => {
  it('warns once, its forks included', async () => {
    const { model } = await fakeModel()
    const warnings: string[] = []
    const context = await model.prefill(ids, {
      compression: { prune: half(), budget: { tokens: 5 } },
      onWarning: ({ code }) => warnings.push(code),
    })
    const fork = context.fork()
    await context.append([1])
    await context.append([2])
    await fork.append([3])
    expect(warnings).toEqual(['KV_QUERY_AWARE'])
  })

  it('does not warn where nothing was dropped', async () => {
    const { model } = await fakeModel()
    const warnings: string[] = []
    const context = await model.prefill(ids, {
      compression: { prune: half(), budget: { tokens: 50 } },
      onWarning: ({ code }) => warnings.push(code),
    })
    await context.append([1])
    expect(warnings).toEqual([])
  })

  it('uses the warnings of the process without a handler', async () => {
    const { model } = await fakeModel()
    const seen = new Promise<Error & { code?: string }>((resolve) => process.once('warning', resolve))
    const context = await model.prefill(ids, { compression: { prune: half(), budget: { tokens: 5 } } })
    await context.append([1])
    expect((await seen).code).toBe('KV_QUERY_AWARE')
  })
})
