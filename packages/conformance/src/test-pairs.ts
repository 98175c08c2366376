import assert from 'node:assert/strict'
import {
  checkSpec,
  KvError,
  parseSpec,
  printSpec,
  resolve,
  type Budget,
  type Registry,
  type SpecInput,
} from '@qpkv/spec'
import { checkResolved, mayOverspend, tryResolve } from './check-resolved.ts'
import { models, optionSets, renameAll, type TestFunction } from './suite.ts'

const budgets: readonly (Budget | undefined)[] = [
  { tokens: 96 },
  { fp16Tokens: 64 },
  { fraction: 0.25 },
  { bytes: '128KiB' },
  undefined,
]
const overrides: readonly SpecInput['layers'][] = [
  undefined,
  [{ from: 0, to: 2, keyBits: 8, valueBits: 8 }],
  [{ from: 1, to: 2, tokens: 80 }],
]

/**
 * Every pruner with every quantizer, with both kinds of heads and with overrides: `testPairs({ test, registry })`.
 * Each pair resolves (or says in words that it cannot), keeps to its budget, counts its bytes and survives JSON, text and renaming.
 */
export function testPairs({ test, registry }: { test: TestFunction; registry: Registry }): void {
  const { other, rename } = renameAll(registry)
  for (const pruner of registry.pruners.values())
    for (const quantizer of registry.quantizers.values())
      test(`${pruner.name} + ${quantizer.name}`, () => {
        let resolved = 0
        for (const pruneOptions of optionSets(pruner))
          for (const quantizeOptions of optionSets(quantizer))
            for (const heads of ['kv', 'query'] as const)
              for (const budget of budgets)
                for (const layers of overrides) {
                  const spec: SpecInput = {
                    heads,
                    budget,
                    layers,
                    prune: { method: pruner.name, ...pruneOptions },
                    quantize: { method: quantizer.name, ...quantizeOptions },
                  }
                  const named = {
                    ...spec,
                    prune: { ...pruneOptions, method: rename.get(pruner)! },
                    quantize: { ...quantizeOptions, method: rename.get(quantizer)! },
                  }
                  const overspends = mayOverspend(spec, registry)
                  if (
                    checkPair(
                      spec,
                      registry,
                      overspends,
                      (prompt) => tryResolve(named, other, models['small']!, prompt)?.plan,
                    )
                  )
                    resolved++
                }
        assert.ok(resolved > 0, 'no spec of this pair resolved')
      })
}

function checkPair(
  spec: SpecInput,
  registry: Registry,
  overspends: boolean,
  renamedPlan: (prompt: { tokens: number }) => unknown,
): boolean {
  const clean = checkSpec(spec)
  assert.deepEqual(parseSpec(printSpec(clean)), clean)
  assert.deepEqual(checkSpec(JSON.parse(JSON.stringify(clean))), clean)
  const model = models['small']!
  const prompt = { tokens: 500 }
  try {
    const result = tryResolve(spec, registry, model, prompt)
    if (!result) return false
    checkResolved(result, spec, model, prompt, overspends)
    const text = parseSpec(printSpec(clean))
    assert.deepEqual(resolve(text, registry, model, prompt).plan, result.plan)
    assert.deepEqual(renamedPlan(prompt), result.plan)
    return true
  } catch (error) {
    if (KvError.isInstance(error) && error.code === 'KV_CONFLICT') return false
    throw error
  }
}
