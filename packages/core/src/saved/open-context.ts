import { finalPlan, KvError, type SpecInput } from '@qpkv/spec'
import { crc32 } from 'node:zlib'
import { throwIfAborted } from '../aborted.ts'
import { Context, RECENT_IDS } from '../context.ts'
import { fromNative, kvError } from '../errors.ts'
import { contextMemory } from '../memory/prompt-memory.ts'
import { makeRoom } from '../memory/make-room.ts'
import { requireMemory } from '../memory/estimate.ts'
import type { ModelParts } from '../model-parts.ts'
import { contextLimit } from '../prompt/context-limit.ts'
import type { WarningHandler } from '../warnings.ts'
import { ContextFileReader } from './context-file.ts'
import { BUILD_AGAIN, refuse } from './refuse.ts'
import { checkHeader, type SavedHeader } from './saved-header.ts'

/** How a saved context is opened. */
export interface OpenOptions {
  readonly signal?: AbortSignal
  /** As for prefill(). */
  readonly whenFull?: SpecInput | string
  /** Receives warnings (KV_QUERY_AWARE) instead of process.emitWarning. */
  readonly onWarning?: WarningHandler
}

/** A context as it was saved; no token passes the model. available: bytes that there are for it. */
export async function openContext(
  parts: ModelParts,
  path: string,
  available: number,
  options: OpenOptions,
): Promise<Context> {
  try {
    const file = await ContextFileReader.open(path)
    try {
      return await readContext(parts, file, available, options)
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw named(fromNative(cause), path)
  }
}

async function readContext(
  parts: ModelParts,
  file: ContextFileReader,
  available: number,
  { signal, onWarning, whenFull }: OpenOptions,
): Promise<Context> {
  throwIfAborted(signal)
  requireModel(parts, file.header)
  const header = checkHeader(file.header, { ...parts.facts, vocabSize: parts.config.vocabSize })
  await file.checkPlaces([header.logits, ...header.layers])
  const ids = Int32Array.from(header.ids)
  const cache = header.layers.reduce((sum, { bytes }) => sum + bytes, 0)
  requireMemory('The saved context', { cache }, available, 'Close other programs, or save a smaller context.')
  const logits = await file.read(header.logits)
  if (crc32(logits) !== header.logits.crc) refuse('its logits are damaged')
  const memory = contextMemory(parts, header.plan, {
    cache,
    tokens: ids.length,
    expected: header.expected,
    available,
  })
  await makeRoom(parts, memory)
  const opening = parts.native.startOpening(header.plan, ids, header.expected, memory)
  const stop = () => {
    opening.abort()
  }
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const keptPositions: Int32Array[][] = []
    for (const place of header.layers) {
      throwIfAborted(signal)
      keptPositions.push(await opening.addLayer(await file.read(place)))
    }
    const native = await opening.finish(new Float32Array(logits.buffer), Buffer.from(header.random, 'hex'))
    return new Context(
      {
        ...contextFacts(parts, header, keptPositions),
        native,
        onWarning,
        ...(whenFull !== undefined && { whenFull }),
        prompt: { ...header.prompt, ids: ids.subarray(0, header.plan.promptTokens) },
      },
      { recentIds: header.ids.slice(-RECENT_IDS), pending: header.pending },
    )
  } finally {
    signal?.removeEventListener('abort', stop)
    opening.dispose()
  }
}

function contextFacts(parts: ModelParts, header: SavedHeader, keptPositions: Int32Array[][]) {
  const { spec, plan, spentNominal, spentBytes, windowedLayers, simulatedBytes, prefillMs, expected } = header
  const kept = keptPositions.map((heads) => heads.map((positions) => positions.length))
  return {
    model: parts,
    spec: {
      spec,
      plan,
      spentNominal,
      spentBytes,
      windowedLayers,
      promptPasses: header.promptPasses ?? (1 as const),
      ...(header.recipe && { recipe: header.recipe }),
      ...(header.canary && { canary: header.canary }),
    },
    plan: finalPlan(plan, kept),
    kept,
    keptPositions,
    simulatedBytes,
    ...(header.recompressed && { recompressed: header.recompressed }),
    prefillMs,
    expected,
    limit: contextLimit(parts.config, expected, header.unlimited),
  }
}

/** Looked at before all else in the header, so that the message says what matters. */
function requireModel({ identity, precision, weights }: ModelParts, header: unknown): void {
  const { model } = header as Partial<SavedHeader>
  if (model?.identity !== identity) refuse('it was saved with another model, or with other weights of it')
  if (model.precision !== precision || JSON.stringify(model.formats) !== JSON.stringify(weights.formats))
    throw kvError(
      'KV_DATA',
      `The saved context cannot be used: it was saved with precision '${model.precision}' and weights '${model.weights}'; the model is loaded with '${precision}' and '${weights.mode}'.`,
      `Load the model with { precision: '${model.precision}', weights: '${model.weights}' }.`,
    )
}

/** What went wrong with which file, under one code for all that can be wrong in it. */
function named(cause: unknown, path: string): unknown {
  if (KvError.isInstance(cause)) {
    if (cause.code === 'KV_ABORTED' || cause.code === 'KV_MEMORY' || cause.code === 'KV_DISPOSED')
      return cause
    return new KvError('KV_DATA', `${path}: ${cause.message}`, {
      hint: cause.code === 'KV_DATA' ? (cause.hint ?? BUILD_AGAIN) : BUILD_AGAIN,
      cause,
    })
  }
  const code = (cause as NodeJS.ErrnoException).code
  if (typeof code !== 'string') return cause
  return kvError(
    'KV_DATA',
    `${path} cannot be read: ${(cause as Error).message}.`,
    'Give the path of a file that context.save() wrote.',
  )
}
