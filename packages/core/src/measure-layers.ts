import type { CompressionPlan } from '@qpkv/spec'
import { endedBy, throwIfAborted } from './aborted.ts'
import { replaysFor } from './replay.ts'
import type { ModelParts } from './model-parts.ts'
import type { NativePromptMemory } from './native/addon.ts'

/**
 * A pass through the prompt that only measures, for allocators that want to see every layer before they share out the
 * budget.
 * @returns [plans][layers] scores, [storedHeads, tokens].
 */
export async function measureLayers(
  parts: ModelParts,
  ids: Int32Array,
  plans: readonly CompressionPlan[],
  memory: NativePromptMemory,
  { signal, expected }: { readonly signal?: AbortSignal | undefined; readonly expected: number },
): Promise<Float32Array[][]> {
  throwIfAborted(signal)
  const all: Float32Array[][] = plans.map(() => [])
  let stop: (() => void) | undefined
  try {
    const prefill = parts.native.startPrefill(ids, plans, expected, memory, replaysFor(plans, ids, parts))
    stop = () => {
      prefill.abort()
    }
    signal?.addEventListener('abort', stop, { once: true })
    try {
      for (const _ of plans[0]!.layers) {
        await prefill.runLayer()
        for (const [index, measured] of all.entries()) {
          throwIfAborted(signal)
          measured.push(await prefill.scores(index))
          await prefill.compressLayer(index)
        }
      }
    } finally {
      prefill.dispose()
    }
    return all
  } catch (cause) {
    throw endedBy(cause, signal)
  } finally {
    if (stop) signal?.removeEventListener('abort', stop)
  }
}
