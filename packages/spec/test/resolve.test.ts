import { expect, test } from 'vitest'
import {
  definePruner,
  defineQuantizer,
  exactFormat,
  finalPlan,
  integer,
  kiviStorage,
  type KvError,
  oneOf,
  packedFormat,
  planBytes,
  resolve,
  windowAttention,
  type Budget,
  type SpecInput,
} from '../src/index.ts'

const model = { layers: 4, queryHeads: 4, kvHeads: 2, headDim: 64 }
const prompt = { tokens: 2048 }

const window = definePruner({
  name: 'window',
  paper: '',
  options: { window: integer({ default: 16, min: 1, doc: 'w' }) },
  select: ({ window }, at) =>
    windowAttention({ window, kernel: 7, pool: 'max', group: 'mean', order: 'position' }, at),
})
/** A falling line of tokens, as allocating pruners make. */
const slope = definePruner({
  name: 'slope',
  paper: '',
  options: { steep: integer({ default: 3, min: 0, doc: 's' }) },
  allocate: ({ steep }, { layers }) =>
    layers.map(({ capacity }, l) =>
      Math.max(0, Math.floor(capacity + steep * ((layers.length - 1) / 2 - l))),
    ),
  select: () => ({ observe: { what: 'key-norm' }, protect: { first: 0, last: 4 } }),
})
const packed = defineQuantizer({
  name: 'packed',
  paper: '',
  options: {
    bits: oneOf([8, 4, 2], { default: 4, doc: 'b' }),
    residual: oneOf(['unified', 'kivi'], { default: 'unified', doc: 'r' }),
  },
  format: ({ bits, residual }, at) =>
    kiviStorage({ bits, group: 32, recent: 32, residual, solver: { kind: 'min-max' } }, at),
})

const tokensOf = (spec: SpecInput, facts: { tokens: number } = prompt) =>
  resolve(spec, undefined, model, facts).plan.layers.map((layer) => layer.tokens.perHead)
const errorOf = (spec: SpecInput): KvError => {
  try {
    resolve(spec, undefined, model, prompt)
  } catch (error) {
    return error as KvError
  }
  throw new Error('resolved')
}

test('the four kinds of budget become tokens at the quantizer’s bits', () => {
  const prune = window()
  expect(tokensOf({ budget: { tokens: 128 }, prune, quantize: packed() })).toEqual([128, 128, 128, 128])
  expect(tokensOf({ budget: { fp16Tokens: 128 }, prune, quantize: packed() })).toEqual([512, 512, 512, 512])
  expect(tokensOf({ budget: { fraction: 0.25 }, prune, quantize: packed() })).toEqual([512, 512, 512, 512])
  expect(tokensOf({ budget: { fraction: 0.29 }, prune }, { tokens: 100 })).toEqual([29, 29, 29, 29])
  expect(tokensOf({ budget: { bytes: '128KiB' }, prune })).toEqual([64, 64, 64, 64])
})

test('spent shares say what was used', () => {
  const { spentNominal, spentBytes, bytes } = resolve(
    { budget: { fp16Tokens: 128 }, prune: window(), quantize: packed() },
    undefined,
    model,
    prompt,
  )
  expect(spentNominal).toBe(1)
  expect(spentBytes).toBe(bytes / (128 * 4 * 2 * 64 * 2 * 2))
  expect(spentBytes).toBeGreaterThan(1) // scales, minima and the exact window are real
  const full = resolve({}, undefined, model, prompt)
  expect(full.bytes).toBe(2048 * 4 * 2 * 64 * 2 * 2)
  expect(full.spentBytes).toBe(1)
})

test('layers with other bits keep equal memory', () => {
  const spec = {
    prune: window(),
    quantize: packed(),
    layers: [{ from: 0, to: 2, keyBits: 8, valueBits: 8 }] as const,
  }
  expect(tokensOf({ ...spec, budget: { fp16Tokens: 128 } })).toEqual([256, 256, 512, 512])
  expect(tokensOf({ ...spec, budget: { tokens: 128 } })).toEqual([128, 128, 128, 128])
})

test('overridden layers are set first and the rest is shared out', () => {
  const layers = [{ from: 0, to: 1, tokens: 400 }]
  expect(tokensOf({ budget: { tokens: 160 }, prune: window(), layers })).toEqual([400, 80, 80, 80])
  // Clamped to the prompt: what it cannot use is left for the others.
  expect(tokensOf({ budget: { tokens: 50 }, prune: window(), layers }, { tokens: 80 })).toEqual([
    80, 40, 40, 40,
  ])
  const error = errorOf({ budget: { tokens: 90 }, prune: window(), layers })
  expect(error.code).toBe('KV_BUDGET_TOO_SMALL')
  expect(error.message).toContain('overridden layers')
})

test('a budget that is too small says the size that works, and it does', () => {
  const kinds: Budget[] = [{ tokens: 7 }, { fp16Tokens: 1 }, { fraction: 0.001 }, { bytes: 700 }]
  for (const budget of kinds)
    for (const [prune, need] of [
      [window(), 16],
      [{ method: 'none' }, 2048],
    ] as const) {
      const error = errorOf({ budget, prune, quantize: packed() })
      expect(error.code).toBe('KV_BUDGET_TOO_SMALL')
      const works = JSON.parse(/works is (\{[^}]*\})/.exec(error.hint!)![1]!) as Budget
      const kept = tokensOf({ budget: works, prune, quantize: packed() })
      for (const n of kept) expect(n).toBeGreaterThanOrEqual(need)
      if (!('fraction' in works)) {
        const [[kind, amount]] = Object.entries(works) as [[string, number]]
        expect(() =>
          resolve(
            { budget: { [kind]: amount - 1 } as Budget, prune, quantize: packed() },
            undefined,
            model,
            prompt,
          ),
        ).toThrow()
      }
    }
})

test('a bytes budget is used to the last token: uniform, overridden and allocating', () => {
  const cost = (n: number[], quantize: ReturnType<typeof packed>, layers?: SpecInput['layers']) =>
    n.reduce((sum, tokens, l) => {
      const spec = {
        prune: window({ window: 1 }),
        quantize,
        layers: [...(layers ?? []), { from: l, to: l + 1, tokens }],
      }
      const { plan } = resolve(spec, undefined, model, prompt)
      return sum + planBytes(plan, model).perLayer[l]!
    }, 0)
  for (const quantize of [packed({ bits: 8 }), packed({ bits: 2 }), packed({ bits: 4, residual: 'kivi' })])
    for (const bytes of [60_000, 131_072, 262_144, 400_001]) {
      const kept = tokensOf({ budget: { bytes }, prune: window(), quantize })
      expect(cost(kept, quantize)).toBeLessThanOrEqual(bytes)
      const residual = 'residual' in quantize
      if (!residual)
        expect(
          cost(
            kept.map((n) => n + 1),
            quantize,
          ),
        ).toBeGreaterThan(bytes)
    }
  for (const bytes of [60_000, 131_072, 262_144]) {
    const quantize = packed()
    const prune = slope()
    const result = resolve({ budget: { bytes }, prune, quantize }, undefined, model, prompt)
    const kept = result.plan.layers.map((layer) => layer.tokens.perHead)
    expect(result.spentBytes).toBeLessThanOrEqual(1)
    // No larger line fits: the sloped allocation of one more token per layer is too large.
    expect(
      cost(
        kept.map((n) => n + 1),
        quantize,
      ),
    ).toBeGreaterThan(bytes)
  }
  const layers = [{ from: 1, to: 2, tokens: 300 }]
  const result = resolve(
    { budget: { bytes: 200_000 }, prune: window(), quantize: packed(), layers },
    undefined,
    model,
    prompt,
  )
  const kept = result.plan.layers.map((layer) => layer.tokens.perHead)
  expect(kept[1]).toBe(300)
  expect(result.spentBytes).toBeLessThanOrEqual(1)
  expect(
    cost(
      kept.map((n, l) => (l === 1 ? n : n + 1)),
      packed(),
    ),
  ).toBeGreaterThan(200_000)
})

test('a pruner that spends more than it was given is refused unless it says so', () => {
  const greedy = (overspends: boolean) =>
    definePruner({
      name: 'greedy',
      paper: '',
      options: {},
      allocate: (_, { layers }) => layers.map(({ capacity }) => capacity + 1),
      select: () => ({ observe: { what: 'key-norm' }, protect: { first: 0, last: 1 } }),
      overspends: () => overspends,
    })
  const spec = (overspends: boolean) => ({ budget: { tokens: 100 }, prune: greedy(overspends)() })
  expect(errorOf(spec(false)).code).toBe('KV_METHOD')
  expect(resolve(spec(true), undefined, model, prompt).spentNominal).toBeCloseTo(1.01)
})

test('sliding-window layers offer only what is still visible', () => {
  const sliding = { ...model, slidingWindow: [null, 100, null, 100] }
  const { plan } = resolve({ budget: { tokens: 300 }, prune: window() }, undefined, sliding, prompt)
  expect(plan.layers.map((layer) => layer.tokens.perHead)).toEqual([300, 100, 300, 100])
})

test('heads: query stores per query head, counted', () => {
  const at = (heads: 'kv' | 'query') =>
    resolve({ heads, budget: { tokens: 64 }, prune: window() }, undefined, model, prompt)
  expect(at('query').bytes).toBe(2 * at('kv').bytes)
  expect(at('query').plan.heads).toBe('query')
})

test('what engines cannot do is refused by name', () => {
  const quantizer = (extra: object) =>
    defineQuantizer({
      name: 'odd',
      paper: '',
      options: {},
      format: () => ({
        key: packedFormat({ bits: 4, scalePer: 'token', group: 32, ...extra }),
        value: packedFormat({ bits: 4, scalePer: 'token', group: 32 }),
      }),
    })()
  expect(errorOf({ quantize: quantizer({ rotate: 'hadamard' }) })).toMatchObject({
    code: 'KV_UNSUPPORTED',
    message: expect.stringContaining('rotate'),
  })
  expect(errorOf({ quantize: quantizer({ center: 'mean' }) })).toMatchObject({
    code: 'KV_UNSUPPORTED',
    message: expect.stringContaining('center'),
  })
  expect(errorOf({ quantize: quantizer({ group: 12 }) })).toMatchObject({
    code: 'KV_METHOD',
    message: expect.stringContaining('group'),
  })
  const pooled = definePruner({
    name: 'pooled',
    paper: '',
    options: {
      pool: oneOf(['layer', 'model'], { default: 'model', doc: '' }),
      evict: oneOf(['never', 'fifo'], { default: 'never', doc: '' }),
    },
    select: ({ pool, evict }) => ({
      observe: { what: 'key-norm' },
      protect: { first: 0, last: 1 },
      pool,
      evict,
    }),
  })
  expect(errorOf({ budget: { tokens: 9 }, prune: pooled() })).toMatchObject({
    code: 'KV_UNSUPPORTED',
    message: expect.stringContaining('tokens.pool'),
  })
  expect(errorOf({ budget: { tokens: 9 }, prune: pooled({ pool: 'layer', evict: 'fifo' }) })).toMatchObject({
    code: 'KV_UNSUPPORTED',
    message: expect.stringContaining('share places'),
  })
  const simulated = defineQuantizer({
    name: 'simulated',
    paper: '',
    options: {},
    format: () => ({ key: exactFormat(), value: exactFormat(), simulated: { keyBits: 4, valueBits: 4 } }),
    simulation: {
      used: () => true,
      roundTrip: (_, { values }) => ({ values, bytes: 1 }),
      bytes: () => 1,
    },
  })
  expect(
    errorOf({ budget: { tokens: 9 }, prune: pooled({ pool: 'layer' }), quantize: simulated() }),
  ).toMatchObject({ code: 'KV_CONFLICT', message: expect.stringContaining('simulated') })
})

test('unknown values of a method are refused by field', () => {
  const odd = (extra: object) =>
    definePruner({
      name: 'odd',
      paper: '',
      options: {},
      select: () => ({ observe: { what: 'key-norm' }, protect: { first: 0, last: 1 }, ...extra }) as never,
    })()
  const code = (extra: object) => {
    const { code, message } = errorOf({ budget: { tokens: 9 }, prune: odd(extra) })
    return `${code} ${message}`
  }
  expect(code({ observe: { what: 'entropy' } })).toMatch(/^KV_UNSUPPORTED.*observe\.what is "entropy"/)
  expect(code({ evict: 'random' })).toMatch(/^KV_UNSUPPORTED.*evict/)
  expect(code({ order: 'reverse' })).toMatch(/^KV_UNSUPPORTED.*order/)
  expect(code({ protect: { first: -1, last: 0 } })).toMatch(/^KV_METHOD.*protect\.first/)
  expect(code({ smooth: { pool: 'max', kernel: 4, padding: 'valid' } })).toMatch(/^KV_METHOD.*kernel/)
})

test('nonsense facts and overrides beyond the model are refused', () => {
  expect(() => resolve({}, undefined, { ...model, kvHeads: 3 }, prompt)).toThrow(/queryHeads/)
  expect(() => resolve({}, undefined, model, { tokens: 0 })).toThrow(/prompt.tokens/)
  expect(() => resolve({}, undefined, model, { tokens: 5, userEnd: 6 })).toThrow(/userEnd/)
  expect(errorOf({ layers: [{ from: 0, to: 5, tokens: 3 }] }).message).toContain('layers[0].to')
})

test('the final plan holds what was kept and its bytes add up', () => {
  const { plan } = resolve(
    { budget: { tokens: 128 }, prune: window(), quantize: packed() },
    undefined,
    model,
    prompt,
  )
  const kept = plan.layers.map(() => [128, 60])
  const final = finalPlan(plan, kept)
  expect(final.layers[0]).toMatchObject({ tokens: { perHead: 128 }, kept: [128, 60] })
  expect(planBytes(final, model)).toEqual(planBytes(plan, model, kept))
  expect(planBytes(final, model).total).toBeLessThan(planBytes(plan, model).total)
})

test('the float32 mode counts elements and metadata in four bytes', () => {
  const at = (precision: 'bf16' | 'f16' | 'f32') => resolve({}, undefined, model, prompt, { precision })
  expect(at('f32').bytes).toBe(2 * at('bf16').bytes)
  expect(at('f16').bytes).toBe(at('bf16').bytes)
})

test('under a budget of bytes the slots of exact segments that are paid for are filled', () => {
  const narrow = defineQuantizer({
    name: 'narrow',
    paper: '',
    options: {},
    format: () => ({
      key: packedFormat({ bits: 4, scalePer: 'channel', group: 32 }),
      value: packedFormat({ bits: 4, scalePer: 'token', group: 32 }),
      recent: 8,
      sinks: 1,
    }),
  })
  const exactTokens = (spec: SpecInput) =>
    resolve(spec, undefined, model, prompt).plan.layers[0]?.segments.map(({ role, tokens }) => [role, tokens])
  const asked = [
    ['sinks', 1],
    ['packed', 'rest'],
    ['recent', 8],
  ]
  const prune = window({ window: 8 })
  expect(exactTokens({ budget: { tokens: 200 }, prune, quantize: narrow() })).toEqual(asked)
  expect(exactTokens({ budget: { bytes: '256KiB' }, prune, quantize: narrow() })).toEqual([
    ['sinks', 16],
    ['packed', 'rest'],
    ['recent', 16],
  ])
})

test('bytes are kept to even where a pruner hands out tokens whatever the shares are', () => {
  const greedy = definePruner({
    name: 'greedy',
    paper: '',
    options: {},
    allocate: (_, { layers }) => layers.map(({ candidates }) => candidates),
    select: () => ({ observe: { what: 'nothing' }, protect: { first: 0, last: 1 } }),
    overspends: () => true,
  })
  const { message, hint } = errorOf({ budget: { bytes: '1MiB' }, prune: greedy() })
  expect(message).toContain('the least that greedy hands out')
  expect(hint).toContain('{"bytes":4194304}')
  expect(tokensOf({ budget: { bytes: '4MiB' }, prune: greedy() })).toEqual([2048, 2048, 2048, 2048])
})
