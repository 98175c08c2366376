import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchContext, BenchModel, BenchTokenizer } from '@qpkv/bench-kit'
import { Tokenizer } from '@huggingface/tokenizers'
import { modelFolder } from '@qpkv/reference-model'
import { budgetBytes, type CompressionPlan, type CompressionSpec } from '@qpkv/spec'

const json = (name: string) => JSON.parse(readFileSync(join(modelFolder, name), 'utf8')) as object
const bundled = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'))

export const tokenizer: BenchTokenizer = {
  encode: (text, { special = true } = {}) => bundled.encode(text, { add_special_tokens: special }).ids,
  decode: (ids, { special = false } = {}) => bundled.decode([...ids], { skip_special_tokens: !special }),
  idOf: () => undefined,
  specialTokens: {},
}

const plan: CompressionPlan = { planVersion: 2, heads: 'kv', promptTokens: 1, layers: [] }

/** Bytes and tokens as if a token took 2 KiB at 16 bit. */
function cost({ budget, quantize }: CompressionSpec, promptTokens: number) {
  const bits = typeof quantize['bits'] === 'number' ? quantize['bits'] : 16
  const each = bits * 128
  const room = budget && 'bytes' in budget ? Math.floor(budgetBytes(budget.bytes) / each) : promptTokens
  const kept = Math.min(room, promptTokens)
  return { bits, kept, bytes: kept * each, full: promptTokens * 2048 }
}

export interface FakeModel extends BenchModel {
  /** One entry per prefill: how many specs it served. */
  readonly prefills: readonly number[]
  /** Contexts and forks that were not disposed. */
  readonly open: number
  /** What every reply was asked for: text so far. */
  readonly asked: readonly string[]
}

/** Finds the number in the text, and gets it right in a share of the cases that grows with the tokens kept. */
export function fakeModel(reply?: (text: string, spec: CompressionSpec) => string): FakeModel {
  const state = { prefills: [] as number[], open: 0, asked: [] as string[] }
  const context = (text: string, promptTokens: number, spec: CompressionSpec): BenchContext => {
    state.open += 1
    let whole = text
    let disposed = false
    let decoded = 0
    const { bits, kept, bytes, full } = cost(spec, promptTokens)
    return {
      get report() {
        return {
          plan,
          promptTokens,
          keptPerHead: kept,
          bits: { nominal: bits, true: bits + 0.5 },
          bytes: { planned: bytes, allocated: bytes, grown: decoded * 64 },
          fullBytes: full,
          spentNominal: 0.9,
          spentBytes: 0.95,
          timings: { prefillMs: 10, decodeMs: decoded, decodeTokens: decoded },
        }
      },
      append: async (more) => {
        whole += String(more)
      },
      generate: () => {
        state.asked.push(whole)
        decoded += 8
        return { result: Promise.resolve({ text: (reply ?? answerFromText)(whole, spec) }) }
      },
      logits: async () => new Float32Array(1),
      appendLogits: async () => new Float32Array(0),
      fork: () => context(whole, promptTokens, spec),
      dispose: async () => {
        if (!disposed) state.open -= 1
        disposed = true
      },
    }
  }
  return {
    tokenizer,
    chatTemplate: undefined,
    config: { contextTokens: 8192 },
    generationDefaults: { stopTokens: [] },
    estimate: () => undefined,
    prefill: async (ids, { compression }) => {
      state.prefills.push(compression.length)
      return compression.map((spec) => context(tokenizer.decode(ids), ids.length, spec))
    },
    get prefills() {
      return state.prefills
    },
    get open() {
      return state.open
    },
    get asked() {
      return state.asked
    },
  }
}

function answerFromText(text: string, spec: CompressionSpec): string {
  const key = / magic number for (\S+?)(?: mentioned in the provided text)? is$/.exec(text)?.[1] ?? ''
  const value = new RegExp(`for ${key} is:? (\\d{7})\\.`).exec(text)?.[1] ?? ''
  const { kept } = cost(spec, 2048)
  const luck = Array.from(value).reduce((sum, digit) => (sum * 7 + Number(digit)) % 101, 3)
  return kept < 2048 && luck > kept / 4 ? ' 9484848.' : ` ${value}.`
}
