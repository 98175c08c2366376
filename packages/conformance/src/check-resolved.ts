import assert from 'node:assert/strict'
import {
  bindMethods,
  checkSpec,
  headTokens,
  KvError,
  planBytes,
  readBudget,
  resolve,
  storedHeads,
  type ModelFacts,
  type PromptFacts,
  type Registry,
  type Resolved,
  type ResolveOptions,
  type SpecInput,
} from '@qpkv/spec'

/**
 * Resolves, or returns undefined where the budget is too small (which must then suggest a size or a layer's
 * tokens). The profile of a released code may refuse a partner that its code refuses; a method by itself may not.
 */
export function tryResolve(
  spec: SpecInput,
  registry: Registry,
  model: ModelFacts,
  prompt: PromptFacts,
  options?: ResolveOptions,
): Resolved | undefined {
  try {
    return resolve(spec, registry, model, prompt, options)
  } catch (error) {
    if (!KvError.isInstance(error)) throw error
    if (error.code === 'KV_CONFLICT' && hasProfile(spec)) return undefined
    if (error.code !== 'KV_BUDGET_TOO_SMALL') throw error
    assert.ok(error.hint, 'a budget that is too small comes with a size that works')
    const works = /The smallest that works is (\{[^}]*\})/.exec(error.hint)
    if (works)
      resolve(
        { ...spec, budget: JSON.parse(works[1]!) as NonNullable<SpecInput['budget']> },
        registry,
        model,
        prompt,
        options,
      )
    return undefined
  }
}

const hasProfile = ({ prune, allocate, share, quantize }: SpecInput) =>
  [prune, allocate, share, quantize].some((ref) => ref?.['profile'] !== undefined)

/** Whether the allocator in use may keep more than the budget. */
export const mayOverspend = (spec: SpecInput, registry: Registry): boolean =>
  bindMethods(checkSpec(spec), registry).allocator.overspends

/** What holds for every plan, whatever made it. */
export function checkResolved(
  resolved: Resolved,
  spec: SpecInput,
  model: ModelFacts,
  prompt: PromptFacts,
  overspends: boolean,
): void {
  const { plan } = resolved
  assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan, 'the plan is plain JSON')
  assert.equal(plan.layers.length, model.layers)
  for (const [l, layer] of plan.layers.entries()) {
    const window = model.slidingWindow?.[l]
    const candidates = Math.min(prompt.tokens, window ?? prompt.tokens)
    const { first, last } = layer.protect
    const heads = storedHeads(plan.heads, model)
    const perHead = headTokens(layer.tokens, heads)
    assert.equal(perHead.length, heads)
    for (const tokens of perHead) {
      assert.ok(tokens >= 1 && tokens <= candidates, `layer ${l} keeps ${tokens} of ${candidates}`)
      assert.ok(
        Math.min(first + last, candidates) <= tokens,
        `layer ${l} protects ${first} + ${last} of ${tokens}`,
      )
    }
    const whole = perHead.every((tokens) => tokens === candidates)
    if (whole && layer.evict === 'never' && layer.order === 'position')
      assert.deepEqual(layer.stages, [], 'nothing is observed where everything is kept')
  }
  if (!plan.layers.some((layer) => layer.simulated))
    assert.equal(planBytes(plan, model).total, resolved.bytes)
  assert.ok(Number.isFinite(resolved.spentNominal) && Number.isFinite(resolved.spentBytes))
  if (spec.budget === undefined) return
  const bytes = readBudget(spec.budget).kind.measure === 'bytes'
  const spent = bytes ? resolved.spentBytes : resolved.spentNominal
  if (!overspends || bytes) assert.ok(spent <= 1 + 1e-9, `spends ${spent} of the budget`)
}
