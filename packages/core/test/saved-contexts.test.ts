import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { h2o } from '@qpkv/pruner-h2o'
import { keydiff } from '@qpkv/pruner-keydiff'
import { snapkv } from '@qpkv/pruner-snapkv'
import { streamingllm } from '@qpkv/pruner-streamingllm'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder } from '@qpkv/reference-model'
import { type SpecInput } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Context, type Model } from '../src/index.ts'
import { randomModel } from './support/random-model.ts'
import { temporaryFolder } from './support/model-folder.ts'
import { throwsKv } from './support/throws.ts'

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2 })
})
afterAll(() => model.dispose())

const folder = mkdtempSync(join(tmpdir(), 'qpkv-saved-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const ids = (count: number, seed = 1) =>
  Array.from({ length: count }, (_, i) => 20 + (((i + seed) * 7919) % 3600))
/** Of every bit. */
const digest = (values: Float32Array) =>
  createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex')
const quiet = { onWarning: () => undefined }

/** What a context has to say from here on: tokens with their log-probabilities, later text included. */
async function goesOn(context: Context) {
  const said = await context.generate({ maxTokens: 40, stopTokens: [], temperature: 0, logprobs: 1 }).result
  await context.append(ids(90, 5))
  const later = await context.generate({
    maxTokens: 8,
    stopTokens: [],
    temperature: 0.8,
    repetitionPenalty: 1.2,
    seed: 3,
  }).result
  return {
    said: said.tokens,
    logprobs: said.logprobs,
    later: later.tokens,
    bytes: context.bytes,
    logits: digest(await context.logits()),
  }
}

const specs: Record<string, SpecInput> = {
  exact: {},
  'kivi at 4 bit': { quantize: kivi({ bits: 4, group: 32, recent: 8 }) },
  'kivi at 2 bit by its own residual rule': {
    quantize: kivi({ bits: 2, group: 32, recent: 32, residual: 'kivi' }),
  },
  'snapkv per query head': { heads: 'query', prune: snapkv({ window: 16 }), budget: { tokens: 100 } },
  'keydiff, budget by layer': {
    prune: keydiff({ last: 8 }),
    quantize: kivi({ bits: 4, recent: 8 }),
    budget: { tokens: 120 },
    layers: [{ from: 0, to: 1, keyBits: 8, valueBits: 8 }],
  },
  'eviction by score': { prune: h2o({ decode: 'evict' }), budget: { tokens: 64 } },
  'eviction by score at 4 bit': {
    prune: h2o({ decode: 'evict' }),
    quantize: kivi({ bits: 4, recent: 16 }),
    budget: { tokens: 64 },
  },
  'first in, first out, with cache positions': {
    prune: streamingllm({ positions: 'cache', decode: 'roll' }),
    budget: { tokens: 64 },
  },
}

describe('a saved context', () => {
  it.each(Object.entries(specs))('goes on as if it had never been away: %s', async (name, compression) => {
    await using context = await model.prefill(ids(300), { compression, ...quiet })
    const places = [join(folder, `${name} at once`), join(folder, `${name} later`)] as const
    await context.save(places[0])
    await context.append(ids(70, 3))
    await context.generate({ maxTokens: 5, stopTokens: [], temperature: 1, seed: 7 }).result
    await context.save(places[1])
    await using fork = context.fork()
    const before = model.stats().tokens.prompt
    await using opened = await model.open(places[1], quiet)
    await using again = await model.open(places[0], quiet)
    expect(model.stats().tokens.prompt).toBe(before)
    expect(opened.tokens).toBe(context.tokens)
    expect(opened.report.bytes).toMatchObject({ ...context.report.bytes, unused: opened.report.bytes.unused })
    expect(opened.report.kept).toEqual(context.report.kept)
    expect(opened.report.held).toEqual(context.report.held)
    expect(opened.report.plan).toEqual(context.report.plan)
    expect(opened.report.spec).toEqual(context.report.spec)
    expect(opened.positions(1, 0)).toEqual(context.positions(1, 0))
    expect(await goesOn(opened)).toEqual(await goesOn(fork))
    // The first one was saved before anything came to it.
    await again.append(ids(70, 3))
    await again.generate({ maxTokens: 5, stopTokens: [], temperature: 1, seed: 7 }).result
    expect(digest(await again.logits())).toBe(digest(await context.logits()))
  })

  it('is the same file when it is opened and saved again', async () => {
    await using context = await model.prefill(ids(200), {
      compression: specs['eviction by score at 4 bit']!,
      ...quiet,
    })
    await context.generate({ maxTokens: 6, stopTokens: [], temperature: 0 }).result
    await context.save(join(folder, 'one'))
    await using opened = await model.open(join(folder, 'one'), quiet)
    await opened.save(join(folder, 'two'))
    expect(readFileSync(join(folder, 'two')).equals(readFileSync(join(folder, 'one')))).toBe(true)
  })

  it('keeps what sliding windows see, positions with it', async () => {
    const { folder: place } = randomModel(
      {
        model_type: 'mistral',
        architectures: ['MistralForCausalLM'],
        vocab_size: 300,
        hidden_size: 64,
        intermediate_size: 96,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 16,
        max_position_embeddings: 4096,
        rms_norm_eps: 1e-5,
        hidden_act: 'silu',
        sliding_window: 48,
      },
      'BF16',
      3,
    )
    await using windowed = await loadModel(place, { threads: 2 })
    const few = (count: number, seed: number) => ids(count, seed).map((id) => id % 300)
    await using context = await windowed.prefill(few(200, 1), {
      compression: { quantize: kivi({ bits: 4, group: 16, recent: 16 }) },
    })
    await context.append(few(30, 2))
    await context.save(join(folder, 'windowed'))
    await using opened = await windowed.open(join(folder, 'windowed'))
    await opened.append(few(100, 3))
    await context.append(few(100, 3))
    expect(digest(await opened.logits())).toBe(digest(await context.logits()))
    expect(opened.bytes).toBe(context.bytes)
  })

  it('refuses the model in another precision, with what to type', async () => {
    const path = join(folder, 'bf16')
    await using context = await model.prefill(ids(40))
    await context.save(path)
    await using exact = await loadModel(modelFolder, { precision: 'f32' })
    await throwsKv('KV_DATA', /bf16: .*precision 'bf16'.*\n.*Load the model with/, () => exact.open(path))
  })
})

describe('a place that cannot be', () => {
  it('is named, and nothing is left beside it', async () => {
    const place = temporaryFolder()
    await using context = await model.prefill(ids(40))
    await throwsKv('KV_DATA', /no such file/, () => model.open(join(place, 'nothing')))
    await throwsKv('KV_DATA', /is no file|EISDIR/, () => model.open(place))
    await throwsKv('KV_DATA', /cannot be written.*\n.*as it was/, () =>
      context.save(join(place, 'no', 'folder')),
    )
    await throwsKv('KV_DATA', /cannot be written/, () => context.save(place))
    writeFileSync(join(place, 'text'), 'just a text that is longer than the head of a file')
    await throwsKv('KV_DATA', /holds something else/, () => model.open(join(place, 'text')))
    expect(readdirSync(place)).toEqual(['text'])
  })
})
