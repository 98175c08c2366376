import { compareKept, readJson, readSelections, runSelection, scoreError } from '@qpkv/conformance'
import { meanTokens, resolve } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { pyramidkv } from '../src/index.ts'

const folder = new URL('goldens/', import.meta.url)
const { cases, input } = readSelections(folder)
const { budgetTables } = readJson(new URL('cases.json', folder)) as {
  budgetTables: {
    max_capacity_prompt: number
    window_size: number
    num_hidden_layers: number
    q_len: number
    kept_per_layer: number[]
  }[]
}

test.each(budgetTables)(
  'budgets of $max_capacity_prompt tokens, window $window_size, $num_hidden_layers layers, prompt $q_len',
  (table) => {
    const model = { layers: table.num_hidden_layers, queryHeads: 1, kvHeads: 1, headDim: 8 }
    const budget = { tokens: table.max_capacity_prompt }
    const prompt = { tokens: table.q_len }
    const keptBy = (prune: ReturnType<typeof pyramidkv>) =>
      resolve({ budget, prune }, undefined, model, prompt).plan.layers.map((layer) =>
        meanTokens(layer.tokens.perHead),
      )
    expect(keptBy(pyramidkv({ profile: 'qpruningkv', window: table.window_size }))).toEqual(
      table.kept_per_layer,
    )
    // By default the same pyramid, its sum exactly the budget.
    const exact = keptBy(pyramidkv({ window: table.window_size }))
    const allowed = Math.min(table.max_capacity_prompt, table.q_len) * table.num_hidden_layers
    expect(exact.reduce((a, b) => a + b, 0)).toBe(allowed)
    expect(exact).toEqual([...exact].sort((a, b) => b - a))
  },
)

test('the profile says that it overspends, by how much the released code does', () => {
  const model = { layers: 80, queryHeads: 1, kvHeads: 1, headDim: 8 }
  const prune = pyramidkv({ profile: 'qpruningkv' })
  const { spentNominal } = resolve({ budget: { tokens: 128 }, prune }, undefined, model, { tokens: 7950 })
  expect(spentNominal).toBeCloseTo(163 / 128, 10)
})

test.each(cases)('equals the recorded run $id', (recorded) => {
  const { window_size: window, kernel_size: kernel, pooling, max_capacity_prompt: tokens } = recorded.params
  const run = runSelection(recorded, input(recorded.input), {
    budget: { tokens },
    prune: pyramidkv({
      profile: recorded.reference === 'qpruningkv' ? 'qpruningkv' : 'kvcache-factory',
      window,
      kernel,
      pool: pooling === 'maxpool' ? 'max' : 'mean',
      ...(recorded.group && { group: recorded.group }),
    }),
  })
  if (recorded.pruned) expect(scoreError(run.scores, recorded.scores)).toBeLessThan(1e-4)
  for (const [h, kept] of run.kept.entries()) {
    const original = {
      kept: recorded.kept[h]!,
      scores: recorded.scores?.[h],
      unique: recorded.unique?.[h] ?? true,
    }
    expect(compareKept(kept, original, window)).toEqual([])
  }
})

test('near the prompt’s length the default pyramid flattens instead of collapsing', () => {
  const model = { layers: 8, queryHeads: 1, kvHeads: 1, headDim: 8 }
  const kept = (prune: ReturnType<typeof pyramidkv>) =>
    resolve({ budget: { tokens: 200 }, prune }, undefined, model, { tokens: 300 }).plan.layers.map((l) =>
      meanTokens(l.tokens.perHead),
    )
  expect(new Set(kept(pyramidkv({ profile: 'qpruningkv' })))).toEqual(new Set([200]))
  const exact = kept(pyramidkv())
  expect(exact[0]).toBe(300)
  expect(exact.reduce((a, b) => a + b, 0)).toBe(1600)
})

test('beta decides how steep the pyramid is', () => {
  const model = { layers: 5, queryHeads: 1, kvHeads: 1, headDim: 8 }
  const kept = (beta: number) =>
    resolve({ budget: { tokens: 108 }, prune: pyramidkv({ beta }) }, undefined, model, {
      tokens: 3000,
    }).plan.layers.map((l) => meanTokens(l.tokens.perHead))
  expect(kept(1)).toEqual([108, 108, 108, 108, 108])
  expect(kept(20)).toEqual([203, 155, 108, 61, 13])
})

test('layers of different widths share memory, an overridden one takes no part', () => {
  const model = { layers: 4, queryHeads: 1, kvHeads: 1, headDim: 8 }
  const layers = [{ from: 1, to: 2, tokens: 50 }]
  const { plan, spentNominal } = resolve(
    { budget: { tokens: 100 }, prune: pyramidkv(), layers },
    undefined,
    model,
    { tokens: 3000 },
  )
  const kept = plan.layers.map((layer) => meanTokens(layer.tokens.perHead))
  expect(kept[1]).toBe(50)
  expect(kept.reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(398)
  expect(spentNominal).toBeLessThanOrEqual(1)
})
