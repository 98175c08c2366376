import assert from 'node:assert/strict'
import { checkSpec, KvError, parseSpec, printSpec, resolve, type Registry, type SpecInput } from '@qpkv/spec'
import { checkResolved, mayOverspend, tryResolve } from './check-resolved.ts'
import { models, optionSets, renameAll, type TestFunction } from './suite.ts'

/**
 * Every pruner with every allocator and every sharing, under all their profiles: `testAxes({ test, registry })`. Each
 * triple resolves or says by a code why it cannot, keeps to its budget and survives JSON, text and renaming.
 */
export function testAxes({ test, registry }: { test: TestFunction; registry: Registry }): void {
  const { other, rename } = renameAll(registry)
  for (const pruner of registry.pruners.values())
    for (const allocator of registry.allocators.values())
      test(`${pruner.name} ~ ${allocator.name} ~ every sharing`, () => {
        for (const sharing of registry.sharings.values()) {
          let resolved = 0
          for (const pruneOptions of optionSets(pruner))
            for (const allocateOptions of optionSets(allocator))
              for (const shareOptions of optionSets(sharing))
                for (const budget of [{ tokens: 400 }, { bytes: '512KiB' }] as const) {
                  const spec = (name: (method: { name: string }) => string): SpecInput => ({
                    budget,
                    prune: { method: name(pruner), ...pruneOptions },
                    allocate: { method: name(allocator), ...allocateOptions },
                    share: { method: name(sharing), ...shareOptions },
                  })
                  const given = spec(({ name }) => name)
                  const renamed = spec((method) => rename.get(method as never)!)
                  if (checkTriple(given, registry, renamed, other)) resolved++
                }
          // Neither keeps everything nor goes with 16 bit: there is nothing to try.
          const tried = pruner.name !== 'none' && resolved === 0
          assert.ok(
            !tried || onlyWithOtherStorage(allocator.name),
            `~${allocator.name}~${sharing.name} never resolved`,
          )
        }
      })

  /** An allocator that resolves with no pruner in 16 bit refuses the storage, not the pruner. */
  function onlyWithOtherStorage(allocator: string): boolean {
    try {
      resolve(
        { budget: { tokens: 400 }, prune: { method: 'none' }, allocate: { method: allocator } },
        registry,
        models['small']!,
        { tokens: 300 },
      )
      return false
    } catch (error) {
      return KvError.isInstance(error) && error.code === 'KV_CONFLICT'
    }
  }
}

function checkTriple(given: SpecInput, registry: Registry, renamed: SpecInput, other: Registry): boolean {
  const clean = checkSpec(given)
  assert.deepEqual(parseSpec(printSpec(clean)), clean)
  const model = models['small']!
  const prompt = { tokens: 700 }
  try {
    const result = tryResolve(given, registry, model, prompt)
    if (!result) return false
    checkResolved(result, given, model, prompt, mayOverspend(given, registry))
    assert.deepEqual(tryResolve(renamed, other, model, prompt)?.plan, result.plan)
    return true
  } catch (error) {
    if (KvError.isInstance(error) && ['KV_CONFLICT', 'KV_UNSUPPORTED'].includes(error.code)) return false
    throw error
  }
}
