import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { createRegistry, expected, type AnyMethod, type Registry } from '@qpkv/spec'
import { checkCallOptions } from '../call-options.ts'
import { readModelFile } from '../gguf/model-file.ts'
import { fetchHeaders } from '../hub/fetch-headers.ts'
import { parseModelId } from '../hub/model-id.ts'
import { modelFacts } from '../model/model-facts.ts'
import { describeModel } from '../model/describe-model.ts'
import { readModelHeaders, type ModelSource } from '../model/model-source.ts'
import type { ModelPrecision } from '../native/addon.ts'
import { readInput, type CompressionInput, type ReadInput } from '../compression-input.ts'
import { identifyModel } from '../model/identify-model.ts'
import { requireInputs } from '../require-inputs.ts'
import { resolveAll } from '../resolve-all.ts'
import { createEngine } from '../native/create-engine.ts'
import { heldBy } from './held-by.ts'
import { packedMatrices } from '../weights/packed-matrices.ts'
import { weightBytes } from '../weights/weight-bytes.ts'
import { formatBytesOf } from '../weights/weights-in-use.ts'
import { checkWeightsMode, type WeightsMode } from '../weights/weights-mode.ts'
import { prefillPeakBytes } from './estimate.ts'

export interface EstimateOptions {
  /** Of the prompt; default: 2,048, or all that the model was made for where that is less. */
  readonly tokens?: number
  /** Whose caches are held, all made by one prefill; default: the full cache. */
  readonly specs?: readonly CompressionInput[]
  readonly weights?: WeightsMode
  readonly precision?: ModelPrecision
  readonly threads?: number
  /** Methods for specs given as plain JSON or text. */
  readonly methods?: readonly AnyMethod[] | Registry
  readonly signal?: AbortSignal
}

/** Bytes that a model will take, before anything of it is loaded. Plain JSON. */
export interface MemoryEstimate {
  /** What the process takes already. */
  readonly process: number
  /** Packed weights: embedding, matrices and head, norms; in a file that processes share where they are kept packed. */
  readonly weights: number
  /** The matrices among them by format. */
  readonly formats: Readonly<Record<string, number>>
  /** Beside the weights while they are packed; none where a packed file is mapped. */
  readonly loading: number
  /** Tokenizer and addon. */
  readonly text: number
  readonly tokens: number
  /** Beside weights and caches while the prompt is read. */
  readonly prefill: number
  /** Per spec, in order, at the end of the prompt. */
  readonly caches: readonly number[]
  /** Per spec, how often the prompt passes through the model: twice where its allocator measures every layer first. */
  readonly promptPasses: readonly (1 | 2)[]
  /** The most that the process takes at any time. */
  readonly peak: number
}

/** A piece of a matrix on its way, and how many are (native/engine/weight_reader.cc). */
const PIECE_BYTES = 8 * 2 ** 20
const PIECES = 4
/** What JavaScript makes of a token of the vocabulary, and the engine, its threads and code beside. */
const PER_TOKEN = 800
const ENGINE_BYTES = 9 * 2 ** 20

/**
 * What a model takes in memory, from its headers alone.
 * @param pathOrName a folder, a `.gguf` file, or `org/name[@revision]`, of which the headers alone are fetched.
 * @throws KV_UNSUPPORTED_MODEL, KV_CONFIG, KV_MODEL_FILE, KV_INVALID_OPTION, KV_DOWNLOAD, and what resolving the specs throws.
 */
export async function estimateModel(
  pathOrName: string,
  options: EstimateOptions = {},
): Promise<MemoryEstimate> {
  checkCallOptions(options, 'estimateModel')
  const { weights = 'auto', tokens } = options
  checkWeightsMode(weights)
  if (tokens !== undefined && !(Number.isSafeInteger(tokens) && tokens >= 1))
    throw expected('a whole number of at least 1', 'tokens', tokens)
  const process = globalThis.process.memoryUsage.rss()
  const inputs = await Promise.all((options.specs ?? [{}]).map(readInput))
  const here = async (source: Headers) => {
    await requireInputs(inputs, tokensOf(source, options), () => identifyModel(pathOrName, weights))
    return estimate(source, process, inputs, options)
  }
  if (/\.gguf$/i.test(pathOrName)) return here(await readModelFile(pathOrName))
  if (existsSync(pathOrName) || !parseModelId(pathOrName)) return here(await readModelHeaders(pathOrName))
  const headers = await fetchHeaders(pathOrName, options.signal && { signal: options.signal })
  try {
    const source = await readModelHeaders(headers.path)
    // Weights are not here: whether a recipe is this model's shows when it is loaded.
    await requireInputs(inputs, tokensOf(source, options), () => Promise.resolve(undefined))
    return estimate(source, process, inputs, options)
  } finally {
    await headers.dispose()
  }
}

type Headers = Pick<ModelSource, 'config' | 'files' | 'tensors'>

const tokensOf = ({ config }: Headers, options: EstimateOptions) =>
  options.tokens ?? Math.min(2048, config.contextTokens)

/** What measuring takes is asked of the engine; it needs no weights. */
function measured(
  config: Headers['config'],
  tokens: number,
  specs: Parameters<typeof heldBy>[3],
  precision: ModelPrecision,
) {
  const engine = createEngine(1)
  try {
    return heldBy(engine, config, tokens, specs, precision)
  } finally {
    engine.dispose()
  }
}

function estimate(
  source: Headers,
  process: number,
  inputs: readonly ReadInput[],
  options: EstimateOptions,
): MemoryEstimate {
  const { weights: mode = 'auto', precision = 'bf16', methods } = options
  const { config } = source
  const tokens = tokensOf(source, options)
  const specs = inputs.map(({ spec }) => spec)
  const matrices = packedMatrices(source.tensors, precision, mode)
  const weights = weightBytes(describeModel(source, precision, matrices), matrices)
  const registry = Array.isArray(methods)
    ? createRegistry(methods as AnyMethod[])
    : (methods as Registry | undefined)
  const element = precision === 'f32' ? 'f32' : 'bf16'
  const resolved = resolveAll(specs, registry, modelFacts(config), { tokens }, element)
  const caches = resolved.map(({ bytes }) => bytes)
  const pieces = 1 + Math.min(PIECES, options.threads ?? availableParallelism())
  const largest = matrices.reduce((most, { rows, columns }) => Math.max(most, rows * columns), 0)
  const loading = Math.min(pieces * PIECE_BYTES, 2 * largest)
  const text = ENGINE_BYTES + PER_TOKEN * config.vocabSize
  const prefill = prefillPeakBytes(config, tokens, measured(config, tokens, resolved, precision))
  const held = caches.reduce((sum, bytes) => sum + bytes, 0)
  return {
    process,
    weights,
    formats: formatBytesOf(matrices),
    loading,
    text,
    tokens,
    prefill,
    caches,
    promptPasses: resolved.map(({ promptPasses }) => promptPasses),
    peak: process + text + weights + Math.max(loading, prefill + held),
  }
}
