import assert from 'node:assert/strict'
import { createRegistry, meanTokens, type AnyAllocator, type Budget } from '@qpkv/spec'
import { measuredFor } from './measured.ts'
import { checkResolved, mayOverspend, tryResolve } from './check-resolved.ts'
import { models, optionSets, renamed, type TestFunction } from './suite.ts'
import { mixedBits, norms } from './partners.ts'
import { testMethod } from './test-method.ts'

const budgets: readonly Budget[] = [
  { tokens: 64 },
  { fp16Tokens: 64 },
  { fraction: 0.29 },
  { bytes: '96KiB' },
  { bytes: 300_001 },
]

/**
 * Everything that an allocator owes its users, as tests: `testAllocator({ test, allocator: pyramid })`. Facts and options,
 * JSON and text, honest budgets of every kind on every shape of model, overrides, determinism.
 */
export function testAllocator({ test, allocator }: { test: TestFunction; allocator: AnyAllocator }): void {
  testMethod(test, allocator)
  const registry = createRegistry([allocator, norms, mixedBits])
  const refs = optionSets(allocator).map((given) => ({ method: allocator.name, ...given }))
  const prune = { method: norms.name }

  test(`${allocator.name} keeps to every kind of budget on every shape of model`, () => {
    let resolved = 0
    for (const model of Object.values(models))
      for (const tokens of [700, 300, 40])
        for (const budget of budgets)
          for (const allocate of refs)
            for (const quantize of [{ method: 'none' }, { method: mixedBits.name }]) {
              const spec = { budget, prune, allocate, quantize }
              const result = tryResolve(spec, registry, model, { tokens })
              if (!result) continue
              resolved++
              checkResolved(result, spec, model, { tokens }, mayOverspend(spec, registry))
              const measured = measuredFor(result, model)
              const seen = measured && tryResolve(spec, registry, model, { tokens }, { measured })
              if (!seen) continue
              assert.equal(seen.measuring, undefined, 'nothing is measured twice')
              checkResolved(seen, spec, model, { tokens }, mayOverspend(spec, registry))
            }
    // One that goes with a single storage resolves with few of them.
    assert.ok(resolved > 0, 'no spec resolved')
  })

  test(`${allocator.name} gives the same plan again and under another name`, () => {
    const other = createRegistry([renamed(allocator, 'somebody'), norms])
    for (const allocate of refs) {
      const spec = { budget: { tokens: 90 }, prune, allocate }
      const plan = tryResolve(spec, registry, models['small']!, { tokens: 700 })?.plan
      assert.deepEqual(tryResolve(spec, registry, models['small']!, { tokens: 700 })?.plan, plan)
      const named = { ...spec, allocate: { ...allocate, method: 'somebody' } }
      assert.deepEqual(tryResolve(named, other, models['small']!, { tokens: 700 })?.plan, plan)
    }
  })

  test(`${allocator.name} leaves an overridden layer to the override`, () => {
    for (const allocate of refs) {
      const spec = { budget: { tokens: 200 }, prune, allocate, layers: [{ from: 1, to: 3, tokens: 90 }] }
      const result = tryResolve(spec, registry, models['small']!, { tokens: 700 })
      for (const l of result ? [1, 2] : [])
        assert.equal(meanTokens(result!.plan.layers[l]!.tokens.perHead), 90)
    }
  })
}
