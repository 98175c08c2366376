import { availableParallelism } from 'node:os'
import { createRegistry, expected, type AnyMethod, type Registry } from '@qpkv/spec'
import { throwIfAborted } from './aborted.ts'
import { checkCallOptions } from './call-options.ts'
import { fromNative } from './errors.ts'
import { readModelFile } from './gguf/model-file.ts'
import type { DownloadPlan, DownloadProgress } from './hub/download-model.ts'
import { findModel } from './hub/find-model.ts'
import { YieldingContexts } from './memory/yielding-contexts.ts'
import { availableMemory } from './memory/available-memory.ts'
import { requireMemory } from './memory/estimate.ts'
import { describeModel } from './model/describe-model.ts'
import { modelFacts } from './model/model-facts.ts'
import { readModelFolder } from './model/model-source.ts'
import { Model } from './model.ts'
import type { ModelPrecision } from './native/addon.ts'
import { createEngine } from './native/create-engine.ts'
import { packedLocation } from './packed/packed-location.ts'
import { modelIdentity } from './saved/model-identity.ts'
import { warn } from './warnings.ts'
import { packedMatrices } from './weights/packed-matrices.ts'
import { weightBytes } from './weights/weight-bytes.ts'
import { weightsInUse } from './weights/weights-in-use.ts'
import { checkWeightsMode, isRounded, smallerModes, type WeightsMode } from './weights/weights-mode.ts'

/** What to load a model with. */
export interface LoadModelOptions {
  /** `auto` and `cpu` are the CPU; another device comes from its package, such as `cuda(0)` of @qpkv/cuda. */
  readonly device?: 'auto' | 'cpu' | BackendDevice
  /** Default: all that the system offers. Results do not depend on it. */
  readonly threads?: number
  /** Op table by name (`avx512`, `avx2`, `scalar`, ...); default: the fastest of this CPU. */
  readonly table?: string
  /** What matrix products see. `f32` is the float32 mode, for checks: caches are float32 too and counted so. */
  readonly precision?: ModelPrecision
  /** How weight matrices are kept: `auto` (default) loses nothing, `int8` and `int4` round them; see WeightsMode. */
  readonly weights?: WeightsMode
  /** Methods for specs given as plain JSON or text: a list, or a registry such as that of @qpkv/methods. */
  readonly methods?: readonly AnyMethod[] | Registry
  /**
   * Bytes that weights, prompts and contexts may take together; default: what the system and its container have left. A
   * prompt that does not fit beside the others waits for its turn; one that would not fit alone is refused.
   */
  readonly memoryLimit?: number
  /**
   * Where packed weights are kept as files, which later loads map instead of packing again: a folder; true, however small
   * they are; false, nowhere. Default: QPKV_CACHE or ~/.cache/qpkv, where they take 64 MiB or more.
   */
  readonly packedCache?: string | boolean
  readonly onProgress?: (progress: LoadProgress) => void
  /** Ends loading between its stages, and a download at once; what arrived is kept and continued the next time. */
  readonly signal?: AbortSignal
}

/** A device of another backend than the CPU's, made by that backend's package. */
export interface BackendDevice {
  /** Path of the backend's shared library. */
  readonly library: string
  /** Which of its devices, from 0. */
  readonly index: number
  readonly name: string
  /** 0: unknown. */
  readonly memoryBytes: number
}

/** What loading is at; a download says what it is about to fetch, and how far it is. */
export type LoadProgress =
  | { readonly stage: 'plan'; readonly plan: DownloadPlan }
  | { readonly stage: 'files' | 'weights' | 'ready' }
  | ({ readonly stage: 'download' } & DownloadProgress)

/**
 * Loads a Hugging Face model folder (config.json, safetensors, and, where present, tokenizer, chat template and
 * generation_config.json) or a GGUF file.
 * @param pathOrName a folder, a `.gguf` file (of a split model any part), or `org/name[@revision]`, which is fetched
 * into the Hugging Face cache unless it is there.
 * @throws KV_UNSUPPORTED_MODEL, KV_CONFIG, KV_MODEL_FILE, KV_TOKENIZER, KV_MEMORY,
 * KV_ADDON, KV_INVALID_OPTION, KV_DOWNLOAD, KV_ABORTED.
 */
export async function loadModel(pathOrName: string, options: LoadModelOptions = {}): Promise<Model> {
  checkCallOptions(options, 'loadModel')
  const {
    precision = 'bf16',
    weights = 'auto',
    threads = availableParallelism(),
    onProgress,
    signal,
  } = options
  checkOptions(options, threads, precision)
  const path = await findModel(pathOrName, {
    ...(signal && { signal }),
    onPlan: (plan) => {
      onProgress?.({ stage: 'plan', plan })
      // Whatever is to be fetched in vain is not begun. In the fast mode and rounded, weights take less than their files.
      if (precision !== 'bf16-fast' && !isRounded(weights))
        requireMemory(
          `Loading ${plan.repository}`,
          { weights: plan.bytes },
          options.memoryLimit ?? availableMemory(),
          'Nothing was fetched. Close other programs or use a smaller model.',
        )
    },
    onProgress: (progress) => onProgress?.({ stage: 'download', ...progress }),
  })
  onProgress?.({ stage: 'files' })
  throwIfAborted(signal)
  const source = await (/\.gguf$/i.test(path) ? readModelFile(path) : readModelFolder(path))
  const matrices = packedMatrices(source.tensors, precision, weights)
  const description = describeModel(source, precision, matrices)
  const device = typeof options.device === 'object' ? options.device : undefined
  const weightsTake = weightBytes(description, matrices)
  const smaller = smallerModes(weights)
  const memoryLimit = options.memoryLimit ?? (device?.memoryBytes || undefined)
  requireMemory(
    `Loading ${path}`,
    { weights: weightsTake },
    memoryLimit ?? availableMemory(),
    smaller === undefined
      ? 'Close other programs or use a smaller model.'
      : `Close other programs, use a smaller model, or load it with weights: ${smaller}.`,
  )

  onProgress?.({ stage: 'weights' })
  throwIfAborted(signal)
  const packed =
    device !== undefined || process.env['QPKV_CORE_BACKEND']
      ? undefined
      : await packedLocation({ path, description, matrices, weights, cache: options.packedCache })
  const engine = createEngine(threads, options.table, device)
  try {
    const identity = await modelIdentity(description)
    const native = await engine.loadModel({ ...description, ...(packed && { packed }) })
    if (native.packedNote !== '')
      warn({ code: 'KV_MODEL_FILE', message: `${packed?.path ?? ''} ${native.packedNote}.` }, undefined)
    native.setMemoryLimit(memoryLimit === undefined ? availableMemory() : memoryLimit - native.weightBytes)
    onProgress?.({ stage: 'ready' })
    return new Model({
      folder: path,
      identity,
      config: source.config,
      facts: { ...modelFacts(source.config), identity },
      precision,
      table: engine.table,
      threads: engine.threads,
      weights: weightsInUse(matrices, precision, weights, native.packed),
      engine,
      native,
      tokenizer: source.tokenizer,
      chatTemplate: source.chatTemplate,
      generation: source.generation,
      registry: resolveRegistry(options.methods),
      yielding: new YieldingContexts(),
      memoryLimit: options.memoryLimit ?? (memoryLimit && Math.max(memoryLimit - weightsTake, 1)),
    })
  } catch (cause) {
    engine.dispose()
    throw fromNative(cause)
  }
}

function checkOptions(options: LoadModelOptions, threads: number, precision: unknown): void {
  const { device = 'auto', memoryLimit } = options
  if (device !== 'auto' && device !== 'cpu' && !isBackendDevice(device))
    throw expected("'auto', 'cpu' or a device such as cuda(0) of @qpkv/cuda", 'device', device)
  if (!Number.isSafeInteger(threads) || threads < 1 || threads > 1024)
    throw expected('a whole number from 1 to 1024', 'threads', threads)
  if (precision !== 'bf16' && precision !== 'bf16-fast' && precision !== 'f32')
    throw expected("'bf16', 'bf16-fast' or 'f32'", 'precision', precision)
  checkWeightsMode(options.weights ?? 'auto')
  if (!['undefined', 'string', 'boolean'].includes(typeof options.packedCache) || options.packedCache === '')
    throw expected('a folder, true or false', 'packedCache', options.packedCache)
  if (memoryLimit !== undefined && !(memoryLimit > 0))
    throw expected('a number of bytes above 0', 'memoryLimit', memoryLimit)
}

const isBackendDevice = (device: unknown): device is BackendDevice =>
  typeof device === 'object' &&
  device !== null &&
  typeof (device as BackendDevice).library === 'string' &&
  Number.isSafeInteger((device as BackendDevice).index) &&
  (device as BackendDevice).index >= 0

function resolveRegistry(methods: LoadModelOptions['methods']): Registry | undefined {
  return Array.isArray(methods)
    ? createRegistry(methods as readonly AnyMethod[])
    : (methods as Registry | undefined)
}
