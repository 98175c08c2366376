import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { keydiff } from '@qpkv/pruner-keydiff'
import { snapkv } from '@qpkv/pruner-snapkv'
import { streamingllm } from '@qpkv/pruner-streamingllm'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder, needleCases } from '@qpkv/reference-model'
import { checkSpec, type KvWarning } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type CompressionInput, type Model } from '../src/index.ts'
import { randomModel } from './support/random-model.ts'
import { throwsKv } from './support/throws.ts'

let model: Model
let text: string
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2 })
  const countTokens = (part: string) => model.tokenizer?.encode(part, { special: false }).length ?? 0
  const [sample] = needleCases({
    seed: 5,
    tokens: 1000,
    keys: 1,
    samples: 1,
    countTokens,
    protocol: 'query-agnostic',
  })
  text = sample?.prompt ?? ''
})
afterAll(() => model.dispose())

async function watched(compression: CompressionInput, prompt: Parameters<Model['prefill']>[0] = text) {
  const warnings: KvWarning[] = []
  const onWarning = (warning: KvWarning) => void warnings.push(warning)
  await using context = await model.prefill(prompt, { compression, onWarning })
  const { canary } = context.report
  if (!canary) throw new Error('expected a canary')
  return { canary, warnings, tokens: context.tokens, bytes: context.bytes, logits: await context.logits() }
}

describe('a canary', () => {
  it('passes for the full cache, with its cost', async () => {
    const { canary, warnings } = await watched({ canary: true })
    expect(canary).toMatchObject({ verdict: 'passed', asked: 8, threshold: 0.75, protocol: 'query-agnostic' })
    expect(canary.found).toBe(canary.full)
    expect(canary.full).toBeGreaterThanOrEqual(7)
    expect(canary.tokens).toBeGreaterThan(1000)
    expect(canary.ms).toBeGreaterThan(0)
    expect(warnings).toEqual([])
  })

  it('fails for the last 5 % of a text, with the numbers, and refuses where it is told to', async () => {
    const spec = { prune: streamingllm(), budget: { fraction: 0.05 } }
    const { canary, warnings } = await watched({ ...spec, canary: true })
    expect(canary.verdict).toBe('failed')
    expect(canary.found).toBeLessThanOrEqual(1)
    expect(warnings).toEqual([
      {
        code: 'KV_CANARY',
        message: expect.stringMatching(
          /of 8 hidden numbers the full cache finds [78], the compressed one [01] of these, and 6 are/,
        ) as string,
      },
    ])
    await throwsKv('KV_CANARY', /The canary failed[\s\S]*qpkv plan/, () =>
      model.prefill(text, { compression: { ...spec, canary: { onFail: 'refuse' } } }),
    )
    // As many as are asked for.
    expect((await watched({ ...spec, canary: { threshold: 0 } })).canary.verdict).toBe('passed')
  })

  it('passes where the text is kept at few bits', async () => {
    const { canary } = await watched({
      prune: keydiff(),
      quantize: kivi({ bits: 4 }),
      budget: { byteFraction: 0.2 },
      canary: { needles: 6 },
    })
    expect(canary).toMatchObject({ verdict: 'passed', asked: 6 })
  })

  it('puts its question into the prompt for a method that looks there', async () => {
    const spec = { prune: snapkv({ window: 16 }), budget: { fraction: 0.2 } }
    const { canary } = await watched({ ...spec, canary: { needles: 3 } })
    expect(canary).toMatchObject({ protocol: 'query-aware', verdict: 'passed', asked: 3 })
    expect(canary.tokens).toBeGreaterThan(3 * 900) // a copy for each
  })

  it('leaves nothing in the context', async () => {
    const spec = checkSpec({ prune: keydiff(), quantize: kivi({ bits: 4 }), budget: { tokens: 200 } })
    await using plain = await model.prefill(text, { compression: spec })
    const { granted } = model.stats().bytes
    const { tokens, bytes, logits } = await watched({ ...spec, canary: true })
    expect(model.stats().bytes.granted).toBe(granted)
    expect([tokens, bytes]).toEqual([plain.tokens, plain.bytes])
    expect(logits).toEqual(await plain.logits())
  })

  it('works in a conversation, behind its last message', async () => {
    const { canary } = await watched({ canary: { needles: 4 } }, [{ role: 'user', content: text }])
    expect(canary.asked).toBe(4)
    expect(canary.verdict).toBe('passed')
    const pruned = { prune: streamingllm(), budget: { fraction: 0.05 }, canary: { needles: 4 } }
    expect((await watched(pruned, [{ role: 'user', content: text }])).canary.verdict).toBe('failed')
  })

  it('is the same for the same seed and looks elsewhere for another', async () => {
    const depths = async (seed: number) => (await watched({ canary: { seed } })).canary.needles
    expect(await depths(3)).toEqual(await depths(3))
    expect(await depths(3)).not.toEqual(await depths(4))
  })

  it('says that it knows nothing where the full cache has no answer or the text no room', async () => {
    const short = await watched({ canary: { onFail: 'refuse' } }, 'Hello there.')
    expect(short.canary).toMatchObject({ verdict: 'unknown', asked: 0 })
    expect(short.warnings[0]?.message).toMatch(/too short/)
  })

  it('says so of a model that answers nothing', async () => {
    const { folder } = randomModel(
      {
        model_type: 'llama',
        hidden_size: 64,
        intermediate_size: 64,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 16,
        vocab_size: 3712,
        max_position_embeddings: 4096,
      },
      'BF16',
      7,
    )
    for (const file of ['tokenizer.json', 'tokenizer_config.json'])
      copyFileSync(join(modelFolder, file), join(folder, file))
    await using other = await loadModel(folder, { threads: 1 })
    const warnings: KvWarning[] = []
    await using context = await other.prefill(text, {
      compression: { prune: streamingllm(), budget: { fraction: 0.05 }, canary: { onFail: 'refuse' } },
      onWarning: (warning) => void warnings.push(warning),
    })
    expect(context.report.canary).toMatchObject({ verdict: 'unknown', asked: 8, full: 0 })
    expect(warnings[0]?.message).toMatch(/finds 0 of 8 hidden numbers with its full cache/)
  })

  it.each([
    [{ needles: 0 }, /canary\.needles/],
    [{ threshold: 2 }, /canary\.threshold/],
    [{ onFail: 'stop' }, /canary\.onFail/],
    [{ treshold: 1 }, /Did you mean threshold/],
    ['yes', /true or an object/],
  ])('refuses wrong options: %j', async (canary, words) => {
    await throwsKv('KV_INVALID_OPTION', words, () =>
      model.prefill(text, { compression: { canary } as never }),
    )
  })
})
