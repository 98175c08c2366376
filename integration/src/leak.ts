import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadModel } from '@qpkv/core'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder } from '@qpkv/reference-model'

export interface LeakOptions {
  readonly contexts: number
  /** Whether contexts are disposed, or left to the garbage collector. */
  readonly ending: 'dispose' | 'collect'
  readonly promptTokens: number
  readonly onProgress?: (done: number, rssBytes: number) => void
}

export interface LeakResult {
  /** Resident bytes after the first fifth, when pools and arenas have their size. */
  readonly before: number
  readonly after: number
  /** What the caches of the measured contexts took together. */
  readonly cacheBytes: number
}

/** Opens contexts, half of them compressed, generates from each and lets go of it; says how the process's memory went. */
export async function measureLeak(options: LeakOptions): Promise<LeakResult> {
  const { contexts, ending, promptTokens, onProgress } = options
  const collect = exposeGc()
  const model = await loadModel(modelFolder, { threads: 2 })
  const prompt = Array.from({ length: promptTokens }, (_, i) => 20 + ((i * 7919) % 3600))
  const warm = Math.floor(contexts / 5)
  let before = 0
  let cacheBytes = 0
  for (let i = 0; i < contexts; i++) {
    const context = await model.prefill(
      prompt,
      i % 2 === 0 ? {} : { compression: { quantize: kivi({ bits: 4 }) } },
    )
    await context.generate({ maxTokens: 2, stopTokens: [] }).result
    if (i >= warm) cacheBytes += context.bytes
    if (ending === 'dispose') await context.dispose()
    if (i % 10 === 9) {
      // Finalizers run between turns of the event loop.
      for (let round = 0; round < 2; round++) {
        collect()
        await turn()
      }
      onProgress?.(i + 1, process.memoryUsage.rss())
    }
    if (i + 1 === warm) before = process.memoryUsage.rss()
  }
  await model.dispose()
  return { before, after: process.memoryUsage.rss(), cacheBytes }
}

/** The collector, without a flag on the command line. */
function exposeGc(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}
