import assert from 'node:assert/strict'
import { selectTokens } from '@qpkv/reference'
import {
  createRegistry,
  meanTokens,
  none,
  resolve,
  type AnyPruner,
  type Budget,
  type ModelFacts,
  type PromptFacts,
} from '@qpkv/spec'
import { checkResolved, mayOverspend, tryResolve } from './check-resolved.ts'
import { mixedBits } from './partners.ts'
import { models, optionSets, randomNumbers, renamed, type TestFunction } from './suite.ts'
import { testMethod } from './test-method.ts'

const budgets: readonly Budget[] = [
  { tokens: 64 },
  { tokens: 128 },
  { fp16Tokens: 64 },
  { fraction: 0.29 },
  { fraction: 1 },
  { bytes: '96KiB' },
  { bytes: 300_001 },
  { byteFraction: 0.3 },
]
const prompts: readonly PromptFacts[] = [
  { tokens: 700 },
  { tokens: 300, userEnd: 293 },
  { tokens: 40 },
  { tokens: 1 },
]

/**
 * Everything that a pruner owes its users, as tests: `testPruner({ test, pruner: snapkv })`.
 * Facts and options, JSON and text, honest budgets of every kind, determinism, short prompts, overrides, chat templates, selection.
 */
export function testPruner({ test, pruner }: { test: TestFunction; pruner: AnyPruner }): void {
  testMethod(test, pruner)
  const registry = createRegistry([pruner, mixedBits])
  const refs = optionSets(pruner).map((given) => ({ method: pruner.name, ...given }))

  test(`${pruner.name} keeps to every kind of budget on every shape of model`, () => {
    let resolved = 0
    forEachCase((model, prompt, budget) => {
      for (const prune of refs)
        for (const quantize of [none(), { method: 'mixed-bits' }]) {
          const spec = { budget, prune, quantize }
          const result = tryResolve(spec, registry, model, prompt)
          if (!result) continue
          resolved++
          checkResolved(result, spec, model, prompt, mayOverspend(spec, registry))
        }
    })
    assert.ok(resolved > 100, `only ${resolved} cases resolved`)
  })

  test(`${pruner.name} gives the same plan again, from its value, from JSON and under another name`, () => {
    const other = createRegistry([renamed(pruner, 'somebody'), mixedBits])
    forEachCase((model, prompt, budget) => {
      for (const prune of refs) {
        const spec = { budget, prune, quantize: { method: 'mixed-bits' } }
        const plan = tryResolve(spec, registry, model, prompt)?.plan
        assert.deepEqual(tryResolve(spec, registry, model, prompt)?.plan, plan)
        const named = { ...spec, prune: { ...prune, method: 'somebody' } }
        assert.deepEqual(tryResolve(named, other, model, prompt)?.plan, plan)
      }
    })
    const value = (pruner as unknown as () => { method: string })()
    assert.deepEqual(
      resolve({ prune: value }, undefined, models['small']!, { tokens: 300 }).plan,
      resolve({ prune: { method: pruner.name } }, registry, models['small']!, { tokens: 300 }).plan,
    )
  })

  test(`${pruner.name} keeps a prompt whole and in order that is shorter than the budget`, () => {
    for (const prune of refs)
      for (const model of Object.values(models))
        // At most as many as the sliding windows of the models see.
        for (const tokens of [1, 2, 17, 80]) {
          const { plan } = resolve({ budget: { tokens: 5000 }, prune }, registry, model, { tokens })
          for (const layer of plan.layers) {
            assert.equal(layer.tokens.perHead, tokens)
            assert.deepEqual([...selectTokens(undefined, 1, tokens, layer)[0]!], [...Array(tokens).keys()])
          }
        }
  })

  test(`${pruner.name} selects as many tokens as the plan says, protected ones included`, () => {
    forEachCase((model, prompt, budget) => {
      for (const prune of refs) {
        const result = tryResolve({ budget, prune }, registry, model, prompt)
        for (const [l, layer] of result?.plan.layers.entries() ?? []) {
          const next = randomNumbers(l + prompt.tokens)
          const random = () => Float32Array.from({ length: 2 * prompt.tokens }, () => next())
          const scores = layer.stages.map(random)
          const candidates = Math.min(prompt.tokens, model.slidingWindow?.[l] ?? prompt.tokens)
          const { perHead, pool, rounding } = layer.tokens
          if (typeof perHead !== 'number') continue
          const all = selectTokens(
            scores.length === 0 ? undefined : scores,
            2,
            prompt.tokens,
            layer,
            candidates,
          )
          const sum = all.reduce((total, kept) => total + kept.length, 0)
          // Heads that share a pool keep different numbers; rounding head by head may miss the sum by one a head.
          const off = rounding === 'each' ? 2 : 0
          assert.ok(
            // Random scores fill no block.
            layer.whole === undefined ? Math.abs(sum - 2 * perHead) <= off : sum <= 2 * perHead,
            `keeps ${sum} in 2 x ${perHead}`,
          )
          for (const kept of all) {
            if (pool === 'head' && layer.whole === undefined) assert.equal(kept.length, perHead)
            assert.equal(new Set(kept).size, kept.length, 'no token twice')
            assert.ok(kept.every((t) => t >= prompt.tokens - candidates && t < prompt.tokens))
            if (layer.order === 'position')
              assert.deepEqual(
                [...kept],
                [...kept].sort((a, b) => a - b),
              )
          }
        }
      }
    })
  })

  test(`${pruner.name} hears a layer's override before it selects`, () => {
    for (const prune of refs) {
      const spec = { budget: { tokens: 200 }, prune, layers: [{ from: 1, to: 3, tokens: 90 }] }
      const { plan } = resolve(spec, registry, models['small']!, { tokens: 700 })
      for (const l of [1, 2]) {
        const layer = plan.layers[l]!
        assert.equal(layer.tokens.perHead, 90)
        assert.ok(layer.protect.first + layer.protect.last <= 90)
      }
    }
  })

  test(`${pruner.name} always keeps the closing tokens of a chat template`, () => {
    for (const prune of refs) {
      const { plan } = resolve({ budget: { tokens: 100 }, prune }, registry, models['small']!, {
        tokens: 700,
        userEnd: 693,
      })
      for (const layer of plan.layers)
        if (meanTokens(layer.tokens.perHead) < 700)
          assert.ok(layer.protect.last >= 7, `protects ${layer.protect.last} of 7`)
    }
  })

  test(`${pruner.name} replaces scores with as many numbers, where it has a score()`, () => {
    for (const { method: _, ...given } of refs) {
      const { score } = pruner.bind(given, 'prune')
      if (!score) continue
      for (const [heads, tokens] of [
        [2, 300],
        [1, 17],
      ] as const) {
        const scores = randomScores(heads * tokens)
        const observed = {
          layer: 0,
          heads,
          tokens,
          tokenIds: Int32Array.from({ length: tokens }, (_, t) => (t * 31) % 97),
          slots: Array.from({ length: heads }, () => Math.ceil(tokens / 3)),
          protect: { first: 0, last: 8 },
        }
        const first = score({ ...observed, scores: scores.slice() })
        assert.ok(first instanceof Float32Array, 'score() returns a Float32Array')
        assert.equal(first.length, scores.length, 'score() returns one number per head and token')
        assert.ok(
          first.every((x) => !Number.isNaN(x)),
          'score() returns numbers',
        )
        assert.deepEqual(score({ ...observed, scores: scores.slice() }), first, 'score() has no memory')
      }
    }
  })

  test(`${pruner.name} leaves its options alone`, () => {
    const given = Object.freeze({})
    pruner.bind(given, 'prune')
    assert.deepEqual(given, {})
  })
}

function forEachCase(body: (model: ModelFacts, prompt: PromptFacts, budget: Budget) => void): void {
  for (const model of Object.values(models))
    for (const prompt of prompts) for (const budget of budgets) body(model, prompt, budget)
}

function randomScores(length: number): Float32Array {
  const next = randomNumbers(5)
  return Float32Array.from({ length }, () => next())
}
