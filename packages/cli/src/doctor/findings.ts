import { formatBytes } from '@qpkv/spec'
import type { ModelCache } from './model-cache.ts'

/** What this machine offers to qpkv. */
export interface Findings {
  readonly node: string
  /** System, processor and, on Linux, C library. */
  readonly platform: string
  readonly cpu: { readonly model: string; readonly cores: number; readonly features: readonly string[] }
  readonly addon:
    { readonly path: string; readonly kind: string } | { readonly error: string; readonly hint?: string }
  /** The first one is used. */
  readonly opTables: readonly string[]
  readonly memory: { readonly total: number; readonly available: number }
  readonly gpu: string
  readonly versions: Readonly<Record<string, string>>
  readonly modelCache: ModelCache
  /** Packed weights that loads keep and map; `folder` undefined: they are kept nowhere (QPKV_CACHE=off). */
  readonly weights: {
    readonly folder: string | undefined
    readonly files: number
    readonly bytes: number
    readonly limit: number
    readonly problem?: string
  }
  readonly advice: readonly string[]
}

/** What to do about what was found, most urgent first; nothing when all is well. */
export function advise(found: Omit<Findings, 'advice'>): string[] {
  const advice: string[] = []
  if ('error' in found.addon) advice.push(found.addon.hint ?? 'Install @qpkv/core again.')
  else if (found.opTables[0] === 'scalar')
    advice.push('This CPU has no vector instructions that qpkv knows: it works, slowly.')
  else if (found.opTables[0] === 'avx2')
    advice.push('This CPU has AVX2 and no AVX-512: everything works; the fastest kernels need AVX-512.')
  if (Number(found.node.split('.')[0]) < 22) advice.push('Node 20 works; 22 or newer is recommended.')
  if (found.memory.available < 2 ** 30)
    advice.push(
      `Only ${formatBytes(found.memory.available)} of memory are available: use small models, or end other programs.`,
    )
  if (found.modelCache.problem !== undefined) advice.push(found.modelCache.problem)
  if (found.weights.problem !== undefined) advice.push(found.weights.problem)
  const versions = new Set(Object.values(found.versions))
  if (versions.size > 1)
    advice.push('The packages have different versions: type npm update to bring them together.')
  return advice
}
