import { crc32 } from 'node:zlib'
import { throwIfAborted } from '../aborted.ts'
import { kvError } from '../errors.ts'
import type { ContextParts } from '../context-parts.ts'
import { ContextFileWriter } from './context-file.ts'
import { CONTEXT_FILE_VERSION, type Place, type SavedHeader } from './saved-header.ts'

/** JSON of a section's place, at most. */
const PLACE_BYTES = 64

/** How a context is saved. */
export interface SaveOptions {
  /** Ends saving between two layers; what stood at the path stays. */
  readonly signal?: AbortSignal
}

/** Writes a context to a file, layer by layer, beside its place; then renames it. */
export async function saveContext(
  parts: ContextParts,
  pending: number | undefined,
  path: string,
  { signal }: SaveOptions,
): Promise<void> {
  const { native, model, keptPositions } = parts
  const { ids, logits, random } = await native.state()
  const values = new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength)
  const header = (logitsAt: Place, layers: readonly Place[]): SavedHeader => ({
    version: CONTEXT_FILE_VERSION,
    written: { table: model.table },
    model: {
      identity: model.identity,
      precision: model.precision,
      weights: model.weights.mode,
      formats: model.weights.formats,
    },
    ...facts(parts),
    ids: [...ids],
    ...(pending !== undefined && { pending }),
    random: Buffer.from(random).toString('hex'),
    logits: { ...logitsAt, crc: crc32(values) },
    layers,
  })
  const none = { offset: 0, bytes: 0 }
  const room = Buffer.byteLength(JSON.stringify(header(none, []))) + PLACE_BYTES * (keptPositions.length + 1)
  const file = await ContextFileWriter.create(path, room).catch((cause: unknown) => {
    throw notWritten(path, cause)
  })
  try {
    const logitsAt = await file.add(values)
    const layers: Place[] = []
    for (const [layer, kept] of keptPositions.entries()) {
      throwIfAborted(signal)
      layers.push(await file.add(await native.saveLayer(layer, kept)))
    }
    throwIfAborted(signal)
    await file.finish(header(logitsAt, layers))
  } catch (cause) {
    throw notWritten(path, cause)
  } finally {
    await file.discard()
  }
}

const facts = ({ spec, prompt, ...parts }: ContextParts) => ({
  spec: spec.spec,
  plan: spec.plan,
  spentNominal: spec.spentNominal,
  spentBytes: spec.spentBytes,
  windowedLayers: spec.windowedLayers,
  ...(spec.promptPasses === 2 && { promptPasses: spec.promptPasses }),
  ...(parts.simulatedBytes !== undefined && { simulatedBytes: parts.simulatedBytes }),
  ...(spec.recipe && { recipe: spec.recipe }),
  ...(spec.canary && { canary: spec.canary }),
  ...(parts.recompressed && { recompressed: parts.recompressed }),
  prompt: { chat: prompt.chat, ...(prompt.userEnd !== undefined && { userEnd: prompt.userEnd }) },
  prefillMs: parts.prefillMs,
  expected: parts.expected,
  unlimited: parts.limit === Infinity,
})

/** A full disk, a folder that is not there. */
function notWritten(path: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || typeof (cause as NodeJS.ErrnoException).syscall !== 'string') return cause
  return kvError(
    'KV_DATA',
    `${path} cannot be written: ${cause.message}.`,
    'What stood there is as it was. Save to another folder, or make room.',
  )
}
