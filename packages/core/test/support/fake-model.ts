import { modelFolder } from '@qpkv/reference-model'
import {
  headBytes,
  headTokens,
  storedHeads,
  type AnyMethod,
  type CompressionPlan,
  type LayerPlan,
  createRegistry,
} from '@qpkv/spec'
import { onTestFinished } from 'vitest'
import { modelFacts } from '../../src/model/model-facts.ts'
import { YieldingContexts } from '../../src/memory/yielding-contexts.ts'
import { Model } from '../../src/model.ts'
import type { ModelParts } from '../../src/model-parts.ts'
import { loadChatTemplate } from '../../src/model/chat-template.ts'
import { readConfig } from '../../src/model/config.ts'
import { loadTokenizer } from '../../src/model/tokenizer.ts'
import type { NativeContext, NativeEngine, NativePrefill } from '../../src/native/addon.ts'

/** What the fake engine was asked to do. */
interface FakeLog {
  readonly fed: number[]
  readonly compress: { index: number; options: Parameters<NativePrefill['compressLayer']>[1] }[]
  disposed: number
  /** Milliseconds that a step takes. */
  stepMs: number
}

const VOCAB = 3712
const LAYERS = 2

/**
 * A model whose next token is the last one plus one, without native code: tests how prompts, contexts and runs behave. It keeps the
 * first tokens of a prompt; scores are position + head / 10.
 */
export async function fakeModel(
  options: { methods?: readonly AnyMethod[]; tokenizer?: boolean; memoryLimit?: number } = {},
) {
  const log: FakeLog = { fed: [], compress: [], disposed: 0, stepMs: 0 }
  const config = readConfig(
    {
      model_type: 'llama',
      hidden_size: 128,
      intermediate_size: 96,
      num_hidden_layers: LAYERS,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      vocab_size: VOCAB,
      max_position_embeddings: 64,
    },
    'config.json',
  )
  const tokenizer = options.tokenizer === false ? undefined : await loadTokenizer(modelFolder)
  const chatTemplate = tokenizer && (await loadChatTemplate(modelFolder, tokenizer))
  const facts = modelFacts(config)
  const engine: NativeEngine = {
    table: 'fake',
    threads: 1,
    loadModel: () => Promise.reject(new Error('fake')),
    observedMemory: () => [],
    dispose: () => {
      log.disposed++
    },
  }
  const parts: ModelParts = {
    folder: 'fake',
    identity: 'fake',
    config,
    facts,
    table: engine.table,
    threads: engine.threads,
    precision: 'bf16',
    weights: { mode: 'auto', formats: { bf16: 1000 }, place: 'memory', activations: ['none'] },
    engine,
    native: {
      weightBytes: 1000,
      packed: 'memory',
      packedNote: '',
      startPrefill: (ids, plans) => fakePrefill(ids, plans, log),
      startOpening: () => {
        throw new Error('fake')
      },
      setMemoryLimit: () => undefined,
      stats: () => ({
        streams: 0,
        prompts: 0,
        steps: 0,
        stepTokens: 0,
        promptTokens: 0,
        batch: 0,
        blocked: 0,
        grantedBytes: 0,
        limitBytes: 2 ** 40,
      }),
      dispose: () => {
        log.disposed++
      },
    },
    tokenizer,
    chatTemplate,
    generation: { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, stopTokens: [3701] },
    registry: options.methods && createRegistry(options.methods),
    memoryLimit: options.memoryLimit,
    yielding: new YieldingContexts(),
  }
  const model = new Model(parts)
  onTestFinished(() => model.dispose())
  return { model, log }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const aborted = () => Object.assign(new Error('The work was cancelled.'), { code: 'KV_ABORTED' })

function fakePrefill(ids: Int32Array, plans: readonly CompressionPlan[], log: FakeLog): NativePrefill {
  let layer = -1
  let stopped = false
  const heads = (index: number) => (plans[index]?.heads === 'query' ? 4 : 2)
  const keptOf = (index: number, at: number) =>
    headTokens(plans[index]!.layers[at]!.tokens, heads(index)).map((count) =>
      Int32Array.from({ length: count }, (_, i) => i),
    )
  return {
    get layer() {
      return layer
    },
    async runLayers(progress) {
      for (; layer + 1 < LAYERS; progress?.(layer + 1)) {
        await pause(log.stepMs)
        if (stopped) throw aborted()
        layer++
        for (const index of plans.keys()) log.compress.push({ index, options: undefined })
      }
      return plans.map((_, index) => Array.from({ length: LAYERS }, (_, at) => keptOf(index, at)))
    },
    async runLayer() {
      await pause(log.stepMs)
      if (stopped) throw aborted()
      layer++
    },
    kept: () => plans.map((_, index) => Array.from({ length: layer + 1 }, (_, at) => keptOf(index, at))),
    scores: (index) =>
      Promise.resolve(
        Float32Array.from(
          { length: heads(index) * ids.length },
          (_, i) => (i % ids.length) + Math.floor(i / ids.length) / 10,
        ),
      ),
    exact: () => Promise.resolve(Float32Array.from({ length: 2 * ids.length * 32 }, (_, i) => i)),
    compressLayer(index, options) {
      log.compress.push({ index, options })
      return Promise.resolve(keptOf(index, layer))
    },
    finish: () => Promise.resolve(plans.map((plan) => fakeContext([...ids], plan, log))),
    allLogits: () => Promise.resolve(new Float32Array(ids.length * VOCAB)),
    abort: () => {
      stopped = true
    },
    dispose: () => {
      log.disposed++
    },
  }
}

function fakeContext(ids: number[], plan: CompressionPlan, log: FakeLog): NativeContext {
  let stopped = false
  const next = () => ((ids.at(-1) ?? 0) + 1) % VOCAB
  const facts = { layers: LAYERS, queryHeads: 4, kvHeads: 2, headDim: 32 }
  const countsOf = ({ tokens }: LayerPlan) => headTokens(tokens, storedHeads(plan.heads, facts))
  return {
    get tokens() {
      return ids.length
    },
    bytes: () => ({
      planned: plan.layers.reduce(
        (sum, at) => sum + countsOf(at).reduce((bytes, count) => bytes + headBytes(at, count, 32), 0),
        0,
      ),
      grown: 64 * (ids.length - plan.promptTokens),
      unused: 0,
    }),
    kept: () => plan.layers.map((at) => Int32Array.from(countsOf(at))),
    seed: () => undefined,
    sample: () => Promise.resolve({ id: next() }),
    logits: () => Promise.resolve(new Float32Array(VOCAB)),
    async append(more, sampling) {
      await pause(log.stepMs)
      if (stopped) throw aborted()
      log.fed.push(...more)
      ids.push(...more)
      return sampling && { id: next() }
    },
    appendAll: () => Promise.reject(new Error('fake')),
    state: () => Promise.reject(new Error('fake')),
    saveLayer: () => Promise.reject(new Error('fake')),
    recompress: () => Promise.reject(new Error('fake')),
    segments: () => [],
    hold: () => undefined,
    expect: () => undefined,
    fork: (tokens = ids.length) => fakeContext(ids.slice(0, tokens), plan, log),
    ids: (end, count) => Int32Array.from(ids.slice(Math.max(0, end - count), end)),
    positions: () => new Int32Array(),
    abort: () => {
      stopped = true
    },
    dispose: () => {
      log.disposed++
    },
  }
}
