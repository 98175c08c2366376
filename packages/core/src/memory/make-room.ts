import { KvError, type CompressionPlan } from '@qpkv/spec'
import type { ModelParts } from '../model-parts.ts'
import type { NativeContextMemory, NativePromptMemory } from '../native/addon.ts'
import { bytesPerToken } from './prompt-memory.ts'

const room = (native: ModelParts['native']) => () => {
  const { limitBytes, grantedBytes } = native.stats()
  return limitBytes - grantedBytes
}

/** Before a prompt or a saved context asks for its memory: contexts that may be compressed for it are. Whether any was. */
export function makeRoom(
  { native, yielding }: ModelParts,
  memory: NativePromptMemory | NativeContextMemory,
): Promise<boolean> {
  const contexts = 'contexts' in memory ? memory.contexts : [memory]
  const caches = contexts.reduce(
    (sum, { cache, perToken, growthTokens }) => sum + cache + perToken * growthTokens,
    0,
  )
  const work = 'contexts' in memory ? Math.max(0, memory.scratch - yielding.scratch) + memory.work : 0
  return yielding.makeRoom(caches + work, room(native))
}

/** The same before a context takes so many tokens more. */
export function makeRoomForTokens(
  { model, plan }: { readonly model: ModelParts; readonly plan: CompressionPlan },
  tokens: number,
): Promise<boolean> {
  const elementBytes = model.precision === 'f32' ? 4 : 2
  return model.yielding.makeRoom(tokens * bytesPerToken(plan, model.facts, elementBytes), room(model.native))
}

/** Does what needs the memory; where it finds none, others may have become idle meanwhile. */
export async function withRoom<T>(
  parts: ModelParts,
  memory: NativePromptMemory,
  work: () => Promise<T>,
): Promise<T> {
  await makeRoom(parts, memory)
  for (;;)
    try {
      const made = await work()
      parts.yielding.scratch = Math.max(parts.yielding.scratch, memory.scratch)
      return made
    } catch (cause) {
      const full = KvError.isInstance(cause) && cause.code === 'KV_MEMORY'
      if (!full || !(await makeRoom(parts, memory))) throw cause
    }
}
