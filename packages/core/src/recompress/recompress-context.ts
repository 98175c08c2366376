import { performance } from 'node:perf_hooks'
import {
  finalPlan,
  planBytes,
  storedHeads,
  type CompressionPlan,
  type CompressionSpec,
  type SpecInput,
} from '@qpkv/spec'
import { endedBy, throwIfAborted } from '../aborted.ts'
import type { ContextParts } from '../context-parts.ts'
import { kvError } from '../errors.ts'
import { bytesPerToken } from '../memory/prompt-memory.ts'
import { resolveAll, type ResolvedSpec } from '../resolve-all.ts'
import { warn } from '../warnings.ts'
import { appendedPlan, requireAppendable } from './appended-plan.ts'
import { requireStored } from './require-stored.ts'
import { readStoredSpec } from './stored-spec.ts'

/** How a context is compressed again. */
export interface RecompressOptions {
  /** Ends the work while it chooses tokens; the context is as it was then. Once it stores it goes to its end. */
  readonly signal?: AbortSignal
}

/** One time that a context was compressed again. Plain JSON. */
export interface Recompressed {
  readonly spec: CompressionSpec
  /** Where it was text that was appended with a spec of its own: how many tokens came before it, which stayed as they were. */
  readonly after?: number
  /** Tokens of the text then, and how many a stored head held on average before and after. */
  readonly tokens: number
  readonly heldPerHead: { readonly before: number; readonly after: number }
  /** Of the whole cache, codebooks left out. */
  readonly bytes: { readonly before: number; readonly after: number }
  readonly ms: number
}

/** Float32 rows of a layer that lie beside the cache while it is stored again: K, V, and one of them on its way. */
const WORK_TENSORS = 4

/** The parts of the context as they are afterwards; where it throws the context is as it was. */
export async function recompressContext(
  parts: ContextParts,
  input: SpecInput | string,
  { signal, mayWait = true }: RecompressOptions & { readonly mayWait?: boolean },
): Promise<ContextParts> {
  const spec = await readStoredSpec(input)
  requireNative(parts)
  throwIfAborted(signal)
  const { ids } = await parts.native.state()
  const resolved = resolveStored(parts, spec, ids)
  const { held } = stateOf(parts)
  const running = requireStored(
    resolved,
    parts.plan,
    held.map((heads) => heads.some((count) => count < ids.length)),
  )
  for (const warning of resolved.warnings) warn(warning, parts.onWarning)
  const { plan, spentNominal, spentBytes, windowedLayers } = resolved
  const { canary: _measuredBefore, ...about } = parts.spec
  const after = await storeAgain(parts, ids, { spec, plan, running, bytes: resolved.bytes, mayWait }, signal)
  return { ...after, spec: { ...about, spec, plan, spentNominal, spentBytes, windowedLayers } }
}

/** How a text that is to be appended will be compressed; asked before it is. @throws KV_UNSUPPORTED, and whatever resolving throws */
export async function readAppended(
  parts: ContextParts,
  input: SpecInput | string,
  ids: Int32Array,
): Promise<{ readonly spec: CompressionSpec; readonly plan: CompressionPlan }> {
  const spec = await readStoredSpec(input)
  requireNative(parts)
  const resolved = resolveStored(parts, spec, ids)
  const running = requireStored(resolved, parts.plan, [])
  requireAppendable(parts.plan, resolved.plan)
  if (running.includes(true)) throw new Error('unreachable')
  for (const warning of resolved.warnings) warn(warning, parts.onWarning)
  return { spec, plan: resolved.plan }
}

/** The parts of a context whose last tokens were appended while it was held, once these are compressed by their plan. */
export async function compressAppended(
  parts: ContextParts,
  { spec, plan }: Awaited<ReturnType<typeof readAppended>>,
  signal: AbortSignal | undefined,
): Promise<ContextParts> {
  const { native, plan: current } = parts
  const { ids } = await native.state()
  const first = ids.length - plan.promptTokens
  const store = appendedPlan({ ...current, promptTokens: first }, native.segments(), plan)
  const taken = Math.max(...current.layers.map(({ segments }) => segments.length)) - 1
  const bytes = planBytes(store, parts.model.facts).total
  const running = plan.layers.map(() => false)
  const after = await storeAgain(parts, ids, { spec, plan, running, bytes, first, store, taken }, signal)
  return { ...after, spec: { ...parts.spec, plan: store } }
}

interface Again {
  readonly spec: CompressionSpec
  readonly plan: CompressionPlan
  readonly running: readonly boolean[]
  /** Of the cache afterwards, at most. */
  readonly bytes: number
  readonly first?: number
  readonly store?: CompressionPlan
  readonly taken?: number
  readonly mayWait?: boolean
}

async function storeAgain(
  parts: ContextParts,
  ids: Int32Array,
  { spec, running, bytes, ...request }: Again,
  signal: AbortSignal | undefined,
): Promise<ContextParts> {
  const started = performance.now()
  const { native, model, plan: current, keptPositions } = parts
  const { facts } = model
  const before = stateOf(parts)
  // Later tokens ask for theirs when they come.
  const perToken = bytesPerToken(request.plan, facts, model.precision === 'f32' ? 4 : 2)
  const rows = Math.max(...before.held.flat()) * storedHeads(current.heads, facts)
  const stop = () => {
    native.abort()
  }
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const kept = await native.recompress({
      ...request,
      held: keptPositions,
      heldOf: current.promptTokens,
      running: Int32Array.from(running, Number),
      memory: { cache: bytes, perToken, growthTokens: 0 },
      work: WORK_TENSORS * rows * facts.headDim * Float32Array.BYTES_PER_ELEMENT,
    })
    const counts = kept.map((layer) => layer.map((positions) => positions.length))
    const now = stateOf(parts)
    const recompressed: Recompressed = {
      spec,
      ...(request.first !== undefined && { after: request.first }),
      tokens: ids.length,
      heldPerHead: { before: before.perHead, after: now.perHead },
      bytes: { before: before.bytes, after: now.bytes },
      ms: performance.now() - started,
    }
    return {
      ...parts,
      recompressed: [...(parts.recompressed ?? []), recompressed],
      plan: finalPlan(request.store ?? request.plan, counts),
      kept: counts,
      keptPositions: kept,
      prompt: { ...parts.prompt, ids },
    }
  } catch (cause) {
    throw endedBy(cause, signal)
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

function requireNative({ simulatedBytes }: ContextParts): void {
  if (simulatedBytes === undefined) return
  throw kvError(
    'KV_UNSUPPORTED',
    'The context was stored by a quantizer that runs in TypeScript; its bytes are only counted.',
    'Prefill again with another quantizer.',
  )
}

function resolveStored(parts: ContextParts, spec: CompressionSpec, ids: Int32Array): ResolvedSpec {
  const { registry, facts } = parts.model
  const [resolved] = resolveAll(
    [spec],
    registry,
    facts,
    { tokens: ids.length, tokenIds: ids },
    elementOf(parts),
  )
  if (!resolved) throw new Error('unreachable')
  return resolved
}

function stateOf({ native }: ContextParts) {
  const held = native.kept().map((heads) => [...heads])
  const { planned, grown } = native.bytes()
  const all = held.flat()
  return { held, bytes: planned + grown, perHead: all.reduce((sum, n) => sum + n, 0) / all.length }
}

/** What 16 bit means in the context. */
function elementOf({ model, plan }: ContextParts): 'bf16' | 'f16' | 'f32' {
  const formats = plan.layers.flatMap(({ segments }) => segments.flatMap(({ key, value }) => [key, value]))
  const exact = formats.find((format) => format.bits === 16)
  if (exact?.bits === 16) return exact.element
  return model.precision === 'f32' ? 'f32' : 'bf16'
}
