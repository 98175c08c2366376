import { expect, test } from 'vitest'
import {
  definePruner,
  defineQuantizer,
  finalPlan,
  oneOf,
  packedFormat,
  planBytes,
  resolve,
} from '../src/index.ts'
import { simulated } from './simulated.ts'
import { model, prompt, window, packed, errorOf } from './resolve-support.ts'

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
