import { describe, expect, it } from 'vitest'
import { checkPlan, KvError, resolve, type SpecInput } from '../src/index.ts'
import { model, packed, prompt, slope, window } from './resolve-support.ts'

const specs: SpecInput[] = [
  {},
  { prune: window({}), quantize: packed({}), budget: { tokens: 200 } },
  { prune: slope({}), heads: 'query', budget: { tokens: 100 } },
]
const plans = specs.map((spec) => resolve(spec, undefined, model, prompt).plan)
/** As it comes from a file. */
const copy = (plan: unknown): Loose => JSON.parse(JSON.stringify(plan)) as Loose

/** A plan that anything may be written to. */
interface Loose {
  [field: string]: unknown
  planVersion: number
  layers: {
    [field: string]: unknown
    tokens: Record<string, unknown>
    segments: { role?: string; key: Record<string, unknown>; value: Record<string, unknown> }[]
    stages: Record<string, unknown>[]
  }[]
}

describe('checkPlan', () => {
  it('takes what resolve() gives', () => {
    for (const plan of plans) expect(checkPlan(copy(plan), model)).toEqual(plan)
  })

  it('takes tiers that are counted head by head', () => {
    const plan = copy(plans[1]!)
    const packedAt = plan.layers[0]!.segments.findIndex((segment) => segment.role === 'packed')
    const tier = { ...plan.layers[0]!.segments[packedAt]!, tokens: { counts: [3, 0] } }
    plan.layers[0]!.segments.splice(packedAt, 0, tier)
    expect(checkPlan(copy(plan), model)).toEqual(plan)
    tier.tokens.counts.push(1)
    expect(() => checkPlan(plan, model)).toThrow(/at most 2 numbers.*tokens\.counts/)
    tier.tokens.counts = [-1]
    expect(() => checkPlan(plan, model)).toThrow(/tokens\.counts/)
  })

  it.each<[string, (plan: Loose) => void, RegExp]>([
    ['another version', (plan) => (plan.planVersion = 1), /plan of version 2/],
    ['another number of layers', (plan) => plan.layers.pop(), /4 layers.*plan\.layers/],
    ['an unknown field', (plan) => (plan.layers[1]!['evicts'] = 'never'), /plan\.layers\[1\]\.evicts/],
    [
      'bits of no kernel',
      (plan) => (plan.layers[2]!.segments[0]!.key['bits'] = 77),
      /segments\[0\]\.key\.bits is 77/,
    ],
    [
      'an exact format of no kind',
      (plan) => (plan.layers[0]!.segments.at(-1)!.value = { bits: 4 }),
      /segments/,
    ],
    ['segments out of order', (plan) => plan.layers[0]!.segments.reverse(), /in this order/],
    ['tokens below 0', (plan) => (plan.layers[3]!.tokens['perHead'] = -1), /layers\[3\]\.tokens\.perHead/],
    [
      'numbers of too few heads',
      (plan) => (plan.layers[3]!.tokens['perHead'] = [1]),
      /2 numbers, one per stored head/,
    ],
    [
      'a statistic that is none',
      (plan) => (plan.layers[0]!.stages[0]!['score'] = { stat: 'luck' }),
      /no such statistic/,
    ],
  ])('refuses %s', (_, spoil, pattern) => {
    const plan = copy(plans[1]!)
    spoil(plan)
    expect(() => checkPlan(plan, model)).toThrow(pattern)
  })

  it('throws nothing but KvErrors, whatever stands where', () => {
    const values = [null, undefined, -1, 0.5, 2 ** 40, '', 'x', [], {}, true]
    let refused = 0
    const visit = (plan: unknown, at: Record<string, unknown>) => {
      for (const key of Object.keys(at)) {
        const kept = at[key]
        for (const value of values) {
          at[key] = value
          try {
            checkPlan(plan, model)
          } catch (cause) {
            if (!KvError.isInstance(cause)) throw cause
            refused++
          }
        }
        at[key] = kept
        if (typeof kept === 'object' && kept !== null) visit(plan, kept as Record<string, unknown>)
      }
    }
    for (const plan of plans) {
      const changed = copy(plan)
      visit(changed, changed)
    }
    expect(refused).toBeGreaterThan(2000)
  })
})
