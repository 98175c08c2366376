import { keydiff } from '@qpkv/pruner-keydiff'
import { snapkv } from '@qpkv/pruner-snapkv'
import { h2o } from '@qpkv/pruner-h2o'
import { streamingllm } from '@qpkv/pruner-streamingllm'
import { modelFolder } from '@qpkv/reference-model'
import { definePruner } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type LayerView, type Model } from '../src/index.ts'
import { throwsKv } from './support/throws.ts'

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2 })
})
afterAll(() => model.dispose())

const ids = Array.from({ length: 200 }, (_, i) => 5 + ((i * 37) % 900))
const later = Array.from({ length: 30 }, (_, i) => 7 + i)
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

describe('context.positions', () => {
  it('are the kept ones of the prompt and all that came later', async () => {
    await using context = await model.prefill(ids, {
      compression: { prune: keydiff({ last: 8 }), budget: { tokens: 50 } },
    })
    const before = context.positions(1, 0)
    expect(before).toHaveLength(50)
    expect([...before]).toEqual([...new Set(before)].sort((a, b) => a - b))
    expect(Array.from(before.slice(-8))).toEqual(range(192, 200))
    await context.append(later)
    expect([...context.positions(1, 0)]).toEqual([...before, ...range(200, 230)])
    const fork = context.fork()
    expect(fork.positions(1, 0)).toEqual(context.positions(1, 0))
    await fork.dispose()
    await throwsKv('KV_INVALID_OPTION', /layer/, () => context.positions(99, 0))
    await throwsKv('KV_INVALID_OPTION', /head/, () => context.positions(0, 1.5))
  })

  it.each(['true', 'cache'] as const)('roll with the window: positions %s', async (positions) => {
    await using context = await model.prefill(ids, {
      compression: { prune: streamingllm({ sinks: 4, decode: 'roll', positions }), budget: { tokens: 40 } },
    })
    expect([...context.positions(0, 0)]).toEqual([...range(0, 4), ...range(164, 200)])
    await context.append(later)
    expect([...context.positions(0, 0)]).toEqual([...range(0, 4), ...range(194, 230)])
  })

  it('are as many as are held where tokens leave by score', async () => {
    await using context = await model.prefill(ids, {
      compression: { prune: h2o({ decode: 'evict', recent: 10 }), budget: { tokens: 40 } },
    })
    await context.append(later)
    for (const [layer, heads] of context.report.held.entries())
      for (const [head, held] of heads.entries()) {
        const positions = [...context.positions(layer, head)]
        expect(positions).toHaveLength(held)
        expect(positions.slice(-10)).toEqual(range(220, 230))
      }
  })
})

describe('onLayer', () => {
  it('shows scores, keys, values and kept positions of every layer and spec', async () => {
    const seen: Pick<LayerView, 'layer' | 'index'>[] = []
    const contexts = await model.prefill(ids, {
      compression: [{}, { prune: snapkv({ window: 8 }), budget: { tokens: 30 } }],
      onLayer: async (view) => {
        const { layer, index, tokens, storedHeads, positions } = view
        seen.push({ layer, index })
        expect(tokens).toBe(200)
        expect(storedHeads).toBe(model.facts.kvHeads)
        expect(positions).toHaveLength(storedHeads)
        const { kvHeads, headDim } = model.facts
        expect(await view.keys()).toHaveLength(kvHeads * 200 * headDim)
        const values = await view.values()
        expect(values.some((x) => x !== 0)).toBe(true)
        expect(values).not.toEqual(await view.keys())
        const scores = await view.scores()
        if (index === 0) expect(scores).toBeUndefined()
        else expect(scores).toHaveLength(storedHeads * 200)
      },
    })
    const { layers } = model.facts
    expect(seen).toEqual(
      range(0, layers).flatMap((layer) => [
        { layer, index: 0 },
        { layer, index: 1 },
      ]),
    )
    await Promise.all(contexts.map((context) => context.dispose()))
  })

  it('that throws ends the prefill with its error', async () => {
    await expect(
      model.prefill(ids, {
        onLayer: ({ layer }) => {
          if (layer === 1) throw new Error('enough')
        },
      }),
    ).rejects.toThrow('enough')
  })
})

it('score() sees the tokens of the prompt and how many are kept, and decides', async () => {
  const wanted = 5 + ((13 * 37) % 900)
  const chooser = definePruner({
    name: 'chooser',
    paper: '',
    options: {},
    layer: () => ({ score: { stat: 'key-norm' }, protect: { last: 4 } }),
    score: (_, { tokenIds, heads, tokens, slots, protect }) => {
      expect(slots).toEqual(Array.from({ length: heads }, () => 6))
      expect(protect).toEqual({ first: 0, last: 4 })
      return Float32Array.from({ length: heads * tokens }, (_, i) =>
        tokenIds[i % tokens] === wanted || i % tokens === 100 ? 1 : 0,
      )
    },
  })
  await using context = await model.prefill(ids, {
    compression: { prune: chooser(), budget: { tokens: 6 } },
  })
  expect([...context.positions(0, 0)]).toEqual([13, 100, 196, 197, 198, 199])
})

it('a pruner without a budget warns, one that evicts or has layers of its own does not', async () => {
  const warnings = async (compression: object) => {
    const codes: string[] = []
    const context = await model.prefill(ids, { compression, onWarning: ({ code }) => codes.push(code) })
    await context.dispose()
    return codes
  }
  expect(await warnings({ prune: keydiff() })).toEqual(['KV_NO_BUDGET'])
  expect(await warnings({ prune: streamingllm() })).toEqual(['KV_NO_BUDGET'])
  expect(await warnings({})).toEqual([])
  expect(await warnings({ prune: keydiff(), budget: { tokens: 50 } })).toEqual([])
  expect(await warnings({ prune: h2o({ decode: 'evict' }) })).toEqual([])
  expect(await warnings({ prune: keydiff(), layers: [{ from: 0, to: 1, tokens: 20 }] })).toEqual([])
})
