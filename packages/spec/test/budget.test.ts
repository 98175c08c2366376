import { expect, test } from 'vitest'
import {
  defineAllocator,
  definePruner,
  meanTokens,
  defineQuantizer,
  packedFormat,
  parseBudgetText,
  planBytes,
  resolve,
  type Budget,
  type SpecInput,
} from '../src/index.ts'
import { model, prompt, window, slope, packed, tokensOf, errorOf } from './resolve-support.ts'

test('a misspelled kind of budget is answered with the nearest name', () => {
  expect(errorOf({ budget: { token: 128 } as never, prune: window() })).toMatchObject({
    code: 'KV_INVALID_SPEC',
    message: expect.stringMatching(/budget\.token/) as string,
    hint: expect.stringMatching(/Did you mean tokens/) as string,
  })
})

test('the kinds of budget become tokens at the quantizer’s bits', () => {
  const prune = window()
  expect(tokensOf({ budget: { tokens: 128 }, prune, quantize: packed() })).toEqual([128, 128, 128, 128])
  expect(tokensOf({ budget: { fp16Tokens: 128 }, prune, quantize: packed() })).toEqual([512, 512, 512, 512])
  expect(tokensOf({ budget: { fraction: 0.25 }, prune, quantize: packed() })).toEqual([512, 512, 512, 512])
  expect(tokensOf({ budget: { fraction: 0.29 }, prune }, { tokens: 100 })).toEqual([29, 29, 29, 29])
  expect(tokensOf({ budget: { bytes: '128KiB' }, prune })).toEqual([64, 64, 64, 64])
  // The full cache takes 4 MiB.
  expect(tokensOf({ budget: { byteFraction: 1 / 32 }, prune })).toEqual([64, 64, 64, 64])
  expect(tokensOf({ budget: { byteFraction: 1 / 32 }, prune, quantize: packed() })).toEqual(
    tokensOf({ budget: { bytes: '128KiB' }, prune, quantize: packed() }),
  )
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
  const kinds: Budget[] = [
    { tokens: 7 },
    { fp16Tokens: 1 },
    { fraction: 0.001 },
    { bytes: 700 },
    { byteFraction: 0.0001 },
  ]
  for (const budget of kinds)
    for (const [prune, need] of [
      [window(), 16],
      [{ method: 'none' }, 2048],
    ] as const) {
      const error = errorOf({ budget, prune, quantize: packed() })
      expect(error.code).toBe('KV_BUDGET_TOO_SMALL')
      const works = parseBudgetText(/works is ([^\s;]+)/.exec(error.hint!)![1]!)
      const kept = tokensOf({ budget: works, prune, quantize: packed() })
      for (const n of kept) expect(n).toBeGreaterThanOrEqual(need)
      if (!('fraction' in works)) {
        const [[kind, amount]] = Object.entries(works) as [[string, number]]
        expect(() =>
          resolve(
            {
              budget: { [kind]: amount - (kind === 'byteFraction' ? 1e-6 : 1) } as Budget,
              prune,
              quantize: packed(),
            },
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
    const kept = result.plan.layers.map((layer) => meanTokens(layer.tokens.perHead))
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
  const kept = result.plan.layers.map((layer) => meanTokens(layer.tokens.perHead))
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
      allocate: () =>
        defineAllocator({
          name: 'greedy',
          paper: '',
          options: {},
          allocate: (_, { layers }) => layers.map(({ capacity }) => capacity + 1),
          overspends: () => overspends,
        })(),
      layer: () => ({ score: { stat: 'key-norm' }, protect: { last: 1 } }),
    })
  const spec = (overspends: boolean) => ({ budget: { tokens: 100 }, prune: greedy(overspends)() })
  expect(errorOf(spec(false)).code).toBe('KV_METHOD')
  expect(resolve(spec(true), undefined, model, prompt).spentNominal).toBeCloseTo(1.01)
})

test('under a budget of bytes exact segments fill their blocks', () => {
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
    allocate: () =>
      defineAllocator({
        name: 'greedy',
        paper: '',
        options: {},
        allocate: (_, { layers }) => layers.map(({ candidates }) => candidates),
        overspends: () => true,
      })(),
    layer: () => ({ score: null, protect: { last: 1 } }),
  })
  const { message, hint } = errorOf({ budget: { bytes: '1MiB' }, prune: greedy() })
  expect(message).toContain('the least that greedy hands out')
  expect(hint).toContain('works is 4MiB;')
  expect(tokensOf({ budget: { bytes: '4MiB' }, prune: greedy() })).toEqual([2048, 2048, 2048, 2048])
})
