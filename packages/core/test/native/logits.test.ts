import { describe, expect, test } from 'vitest'
import { readConfig } from '../../src/model/config.ts'
import { readJsonObject } from '../../src/model/read-json.ts'
import { join } from 'node:path'
import { randomModel, smallLlama, type Element } from '../support/random-model.ts'
import { referenceForward } from '../support/reference-forward.ts'
import {
  fullPlan,
  generateGreedy,
  largestDifference,
  openModel,
  prefill,
  tables,
} from './support/open-model.ts'

const base = { ...smallLlama, tie_word_embeddings: false }
const models: Record<string, Record<string, unknown>> = {
  'Llama, tied head': {
    ...base,
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    tie_word_embeddings: true,
  },
  'Llama, head dimension 40': {
    ...base,
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    head_dim: 40,
  },
  'Mistral with a sliding window': {
    ...base,
    architectures: ['MistralForCausalLM'],
    model_type: 'mistral',
    sliding_window: 24,
  },
  'Qwen2 with biases': {
    ...base,
    architectures: ['Qwen2ForCausalLM'],
    model_type: 'qwen2',
    use_sliding_window: false,
  },
  'Qwen3 with QK norms': { ...base, architectures: ['Qwen3ForCausalLM'], model_type: 'qwen3' },
}
const ids = Array.from({ length: 75 }, (_, i) => (i * 37 + 11) % 97)

async function setUp(name: string, element: Element) {
  const { folder, weights } = randomModel(models[name] ?? {}, element, 5)
  const path = join(folder, 'config.json')
  const config = readConfig((await readJsonObject(path)) ?? {}, path)
  return { folder, want: (tokens: readonly number[]) => referenceForward(config, weights, tokens) }
}

describe.each(Object.keys(models))('%s', (name) => {
  test.each(tables)('logits of every position equal a double-precision forward (%s)', async (table) => {
    const { folder, want } = await setUp(name, 'BF16')
    const open = await openModel(folder, { table })
    const { logits, contexts } = await prefill(open, ids, [fullPlan(open.config, ids.length)], {
      allLogits: true,
    })
    expect(largestDifference(logits ?? [], want(ids).flat())).toBeLessThan(1e-3)
    expect(largestDifference((await contexts[0]?.logits()) ?? [], want(ids).at(-1) ?? [])).toBeLessThan(1e-3)
    for (const context of contexts) context.dispose()
    open.engine.dispose()
  })

  test.each(['F16', 'F32'] as const)('%s weights work', async (element) => {
    const { folder, want } = await setUp(name, element)
    const open = await openModel(folder)
    const { logits } = await prefill(open, ids, [fullPlan(open.config, ids.length)], { allLogits: true })
    expect(largestDifference(logits ?? [], want(ids).flat())).toBeLessThan(1e-3)
  })

  test('a cached decode and an appended text equal recomputing from scratch', async () => {
    const { folder } = await setUp(name, 'BF16')
    const open = await openModel(folder)
    const whole = await prefill(open, ids, [fullPlan(open.config, ids.length)], { allLogits: true })
    const vocab = open.config.vocabSize
    const start = await prefill(open, ids.slice(0, 20), [fullPlan(open.config, 20)])
    const context = start.contexts[0]!
    const fork = context.fork()
    // One text of 55 tokens, and the same token by token: across the sliding window and several tiles.
    const together = await context.appendAll(Int32Array.from(ids.slice(20)))
    expect(largestDifference(together, whole.logits!.subarray(20 * vocab))).toBeLessThan(1e-4)
    for (const [i, id] of ids.slice(20).entries()) {
      await fork.append(Int32Array.of(id))
      expect(
        largestDifference(await fork.logits(), whole.logits!.subarray((20 + i) * vocab, (21 + i) * vocab)),
      ).toBeLessThan(1e-4)
    }
    expect(fork.tokens).toBe(ids.length)
  })
})

test('greedy generation takes the argmax of every step', async () => {
  const { folder, want } = await setUp('Qwen3 with QK norms', 'BF16')
  const open = await openModel(folder)
  const { contexts } = await prefill(open, ids, [fullPlan(open.config, ids.length)])
  const generated = await generateGreedy(contexts[0]!, 8)
  const all = [...ids]
  for (const id of generated) {
    const logits = want(all).at(-1) ?? []
    expect(id).toBe(logits.indexOf(Math.max(...logits)))
    all.push(id)
  }
})
