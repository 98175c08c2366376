import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { meanRow, readBack, restoreRows, transformRows } from '@qpkv/reference'
import {
  createRegistry,
  KvError,
  resolve,
  type AnyQuantizer,
  type Bits,
  type BoundQuantizer,
  type LayerPlan,
} from '@qpkv/spec'
import { checkResolved, tryResolve } from './check-resolved.ts'
import { models, optionSets, randomValues, renamed, type TestFunction } from './suite.ts'
import { newest } from './partners.ts'
import { testMethod, thrown } from './test-method.ts'

/**
 * Everything that a quantizer owes its users, as tests:
 * `testQuantizer({ test, quantizer: kivi })`. Facts and options, JSON and text, storable formats
 * on every shape, counted bytes, overrides of bits, the float32 mode, distortion.
 */
export function testQuantizer({ test, quantizer }: { test: TestFunction; quantizer: AnyQuantizer }): void {
  testMethod(test, quantizer)
  const registry = createRegistry([quantizer, newest])
  const refs = optionSets(quantizer).map((given) => ({ method: quantizer.name, ...given }))
  const prune = { method: 'newest' }

  test(`${quantizer.name} stores every shape of model within every kind of budget`, () => {
    for (const model of Object.values(models))
      for (const quantize of refs)
        for (const heads of ['kv', 'query'] as const)
          for (const tokens of [1, 15, 300, 700])
            for (const budget of [
              { tokens: 100 },
              { fp16Tokens: 40 },
              { fraction: 0.5 },
              { bytes: '48KiB' },
              undefined,
            ]) {
              const spec = { heads, budget, prune, quantize }
              const result = tryResolve(spec, registry, model, { tokens })
              if (result) checkResolved(result, spec, model, { tokens }, false)
            }
  })

  test(`${quantizer.name} gives the same plan again and under another name`, () => {
    const other = createRegistry([renamed(quantizer, 'somebody'), newest])
    for (const quantize of refs) {
      const spec = { budget: { fp16Tokens: 64 }, prune, quantize }
      const { plan } = resolve(spec, registry, models['small']!, { tokens: 700 })
      assert.deepEqual(resolve(spec, registry, models['small']!, { tokens: 700 }).plan, plan)
      const named = { ...spec, quantize: { ...quantize, method: 'somebody' } }
      assert.deepEqual(resolve(named, other, models['small']!, { tokens: 700 }).plan, plan)
    }
  })

  test(`${quantizer.name} takes overrides of bits, or says that it cannot`, () => {
    for (const quantize of refs)
      for (const keyBits of [16, 8, 4, 2] as const) {
        const spec = { prune, quantize, layers: [{ from: 1, to: 2, keyBits }] }
        const error = thrown(() => {
          const { plan } = resolve(spec, registry, models['small']!, { tokens: 300 })
          assert.equal(storedBits(plan.layers[1]!, 'key'), keyBits)
        })
        if (error !== undefined)
          assert.ok(KvError.isInstance(error) && error.code === 'KV_CONFLICT', inspect(error))
      }
  })

  test(`${quantizer.name} counts the float32 mode as such`, () => {
    for (const quantize of refs) {
      const at = (precision: 'bf16' | 'f32') =>
        resolve({ prune, quantize }, registry, models['small']!, { tokens: 300 }, { precision })
      assert.ok(at('f32').bytes >= at('bf16').bytes)
      for (const layer of at('f32').plan.layers)
        for (const { key, value } of layer.segments)
          for (const format of [key, value])
            assert.equal(format.bits === 16 ? format.element : format.metadata, 'f32')
    }
  })

  test(`${quantizer.name} reads back close to what was stored, and closer with more bits`, () => {
    for (const quantize of refs) {
      const widths = quantizer.options['bits'] ? ([1, 2, 3, 4, 8] as const) : [undefined]
      let worse = Infinity
      for (const bits of widths) {
        const options = { ...quantize, ...(bits !== undefined && { bits }) }
        const { method: _, ...given } = options
        if (thrown(() => quantizer.bind(given, 'quantize')) !== undefined) continue
        const { error, stored } = distortion(quantizer.bind(given, 'quantize'), options, registry)
        assert.ok(
          error <= worse * 1.02,
          `${JSON.stringify(options)}: ${error} after ${worse} with fewer bits`,
        )
        const [least, most] = bounds[stored]
        assert.ok(error >= least && error <= most, `${JSON.stringify(options)}: relative error ${error}`)
        worse = error
      }
    }
  })

  test(`${quantizer.name} reads back finite values of flat, tiny and wild inputs`, () => {
    for (const quantize of refs) {
      const { method: _, ...given } = quantize
      const bound = quantizer.bind(given, 'quantize')
      const layer = resolve({ prune, quantize }, registry, models['small']!, { tokens: 33 }).plan.layers[0]!
      for (const [name, values] of Object.entries(wildInputs(33 * 64)))
        for (const tensor of ['key', 'value'] as const) {
          const back = readLayer(bound, layer, tensor, values, 33)
          assert.ok(back.every(Number.isFinite), `${tensor} of ${name}`)
          if (name === 'zeros') assert.ok(back.every((x) => x === 0))
        }
    }
  })
}

/** Relative root mean square error of bell-shaped values by width: worse is broken, better is not that width. */
const bounds = {
  1: [0.3, 1.8],
  2: [0.1, 0.8],
  3: [0.04, 0.35],
  4: [0.015, 0.18],
  8: [0.0005, 0.02],
  16: [0, 0.005],
} as const

/** Nominal bits of one tensor of a layer. */
function storedBits(layer: LayerPlan, tensor: 'key' | 'value'): Bits {
  if (layer.simulated) return tensor === 'key' ? layer.simulated.keyBits : layer.simulated.valueBits
  return (layer.segments.find((s) => s.role === 'packed') ?? layer.segments[0]!)[tensor].bits
}

/** What a layer's packed storage gives back of [tokens, 64], one head. */
function readLayer(
  bound: BoundQuantizer,
  layer: LayerPlan,
  tensor: 'key' | 'value',
  values: Float32Array,
  tokens: number,
  index = 0,
) {
  const headDim = 64
  if (bound.roundTrip) {
    const block = { layer: index, tensor, heads: 1, tokens, headDim, values }
    const { values: back, bytes } = bound.roundTrip(block)
    assert.equal(back.length, values.length)
    assert.ok(bytes >= bound.roundTripBytes!(block), 'a plan never counts more than the storage')
    return back
  }
  const segment = layer.segments.find((s) => s.role === 'packed') ?? layer.segments[0]!
  const form = tensor === 'key' ? layer.keys : layer.values
  const means = form.transform.startsWith('center') ? meanRow(values, headDim) : undefined
  const stored = transformRows(values, headDim, form, means)
  return restoreRows(readBack(stored, tokens, headDim, segment[tensor]), headDim, form, means)
}

/** Root mean square error over root mean square, K and V, of the last of eight layers, and the narrower of their widths. */
function distortion(
  bound: BoundQuantizer,
  quantize: { method: string },
  registry: ReturnType<typeof createRegistry>,
): { readonly error: number; readonly stored: Bits } {
  const tokens = 256
  const model = { ...models['small']!, layers: 8 }
  const layer = resolve({ prune: { method: 'newest' }, quantize }, registry, model, { tokens }).plan
    .layers[7]!
  let error = 0
  let size = 0
  for (const [seed, tensor] of (['key', 'value'] as const).entries()) {
    const values = randomValues(tokens * 64, seed + 7)
    const back = readLayer(bound, layer, tensor, values, tokens, 7)
    values.forEach((x, i) => {
      error += (x - back[i]!) ** 2
      size += x * x
    })
  }
  const stored = Math.min(storedBits(layer, 'key'), storedBits(layer, 'value')) as Bits
  return { error: Math.sqrt(error / size), stored }
}

const wildInputs = (length: number): Record<string, Float32Array> => ({
  zeros: new Float32Array(length),
  constant: new Float32Array(length).fill(3.25),
  tiny: randomValues(length, 1, 1e-30),
  large: randomValues(length, 2, 5000),
  'one hot': Float32Array.from({ length }, (_, i) => (i === 17 ? 400 : 0)),
})
