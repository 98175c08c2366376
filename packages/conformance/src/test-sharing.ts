import assert from 'node:assert/strict'
import { createRegistry, type AnySharing } from '@qpkv/spec'
import { checkResolved, tryResolve } from './check-resolved.ts'
import { mixedBits, norms } from './partners.ts'
import { models, optionSets, renamed, type TestFunction } from './suite.ts'
import { testMethod } from './test-method.ts'

/**
 * Everything that a sharing owes its users, as tests: `testSharing({ test, sharing: ada })`. Facts and options, JSON and
 * text, bytes that no way of sharing exceeds, determinism.
 */
export function testSharing({ test, sharing }: { test: TestFunction; sharing: AnySharing }): void {
  testMethod(test, sharing)
  const registry = createRegistry([sharing, norms, mixedBits])
  const refs = optionSets(sharing).map((given) => ({ method: sharing.name, ...given }))
  const prune = { method: norms.name }

  test(`${sharing.name} resolves on every shape of model within every kind of budget`, () => {
    for (const model of Object.values(models))
      for (const budget of [{ tokens: 64 }, { fp16Tokens: 64 }, { fraction: 0.29 }, { bytes: '96KiB' }])
        for (const share of refs)
          for (const quantize of [{ method: 'none' }, { method: mixedBits.name }]) {
            const spec = { budget, prune, share, quantize }
            const result = tryResolve(spec, registry, model, { tokens: 700 })
            if (result) checkResolved(result, spec, model, { tokens: 700 }, false)
          }
  })

  test(`${sharing.name} gives the same plan again and under another name`, () => {
    const other = createRegistry([renamed(sharing, 'somebody'), norms])
    for (const share of refs) {
      const spec = { budget: { tokens: 90 }, prune, share }
      const plan = tryResolve(spec, registry, models['small']!, { tokens: 700 })?.plan
      assert.deepEqual(tryResolve(spec, registry, models['small']!, { tokens: 700 })?.plan, plan)
      const named = { ...spec, share: { ...share, method: 'somebody' } }
      assert.deepEqual(tryResolve(named, other, models['small']!, { tokens: 700 })?.plan, plan)
    }
  })
}
