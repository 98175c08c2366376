import type { Model } from '@qpkv/core'
import { formatBytes, parseSpec } from '@qpkv/spec'
import { failed, ok, type Check } from './check.ts'

const TOKENS = 512

/** The planner's bytes against what the allocator hands out, for a full and a compressed cache. */
export async function checkMemory(model: Model): Promise<Check> {
  const tokens = Math.min(TOKENS, model.config.contextTokens)
  const ids = Array.from({ length: tokens }, (_, i) => (i * 7919) % model.config.vocabSize)
  const compression = ['none+none', 'none+kivi:bits=4'].map((text) => parseSpec(text))
  const { caches } = model.estimate(tokens, compression)
  const contexts = await model.prefill(ids, { compression })
  const parts: string[] = []
  let equal = true
  for (const [i, context] of contexts.entries()) {
    const { planned, allocated } = context.report.bytes
    equal &&= planned === caches[i] && allocated === planned
    parts.push(`${formatBytes(caches[i] ?? 0)} planned, ${formatBytes(allocated)} allocated`)
    await context.dispose()
  }
  const detail = `${tokens} tokens at 16 bit: ${parts[0] ?? ''}; at 4 bit: ${parts[1] ?? ''}`
  return equal ? ok('memory', detail) : failed('memory', detail)
}
