import { readFileSync } from 'node:fs'
import { loadPlan, loadSpec, resolve, type CompressionPlan } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { registry } from '../src/index.ts'

/* Specs of version 1 with the plans that version 0.1 made of them: upgraded, both are what is made today. */
const recorded = JSON.parse(readFileSync(new URL('goldens/plans-0.1.json', import.meta.url), 'utf8')) as {
  spec: { prune: object; quantize: object; budget: object }
  plan: { planVersion: 1 }
  bytes: number
}[]
const model = { layers: 2, queryHeads: 8, kvHeads: 1, headDim: 40 }
const prompt = { tokens: 300, userEnd: 293 }

test.each(recorded.map((one) => [JSON.stringify(one.spec), one] as const))(
  '%s',
  (_, { spec, plan, bytes }) => {
    expect(plan.planVersion).toBe(1)
    const upgraded: CompressionPlan = loadPlan(plan)
    expect(upgraded.planVersion).toBe(2)
    const today = resolve(loadSpec(spec), registry, model, prompt)
    expect(today.plan).toEqual(upgraded)
    expect(today.bytes).toBe(bytes)
    // A plan of today is read as it is.
    expect(loadPlan(JSON.parse(JSON.stringify(today.plan)))).toEqual(today.plan)
  },
)

test('a plan of a newer version, or of none, is refused', () => {
  for (const plan of [{ planVersion: 3 }, {}, null, []])
    expect(() => loadPlan(plan)).toThrow(expect.objectContaining({ code: 'KV_INVALID_SPEC' }))
})
