import { checkSpec, KvError, printSpec, type CompressionSpec, type Json, type JsonObject } from '@qpkv/spec'
import { contentHash } from '../content-hash.ts'
import type { NamedSpec } from '../run/run-samples.ts'

/** A sweep: models x tasks x specs; specs are listed, or made from pruners x quantizers x budgets. Plain JSON. */
export interface SweepGrid {
  /** Folders, or names that the executor knows. */
  readonly models: readonly string[]
  readonly tasks: readonly SweepTask[]
  readonly specs?: readonly CompressionSpec[]
  readonly prune?: readonly CompressionSpec['prune'][]
  readonly quantize?: readonly CompressionSpec['quantize'][]
  /** Combined with every pair in which something is pruned; pairs that prune nothing run once, without a budget. */
  readonly budgets?: readonly NonNullable<CompressionSpec['budget']>[]
}

export interface SweepTask {
  /** `needle`, `ruler`, `longbench`, … */
  readonly bench: string
  readonly options: JsonObject
}

/** One model and task with all specs: one prefill per sample serves them all. Plain JSON, fit for a queue. */
export interface SweepJob {
  /** Content hash of everything below. */
  readonly id: string
  readonly model: string
  readonly task: SweepTask
  readonly specs: readonly NamedSpec[]
}

/** The jobs of a grid. Throws KvError KV_INVALID_SPEC for an empty one. */
export function expandGrid(grid: SweepGrid): SweepJob[] {
  const specs = dedupe([...(grid.specs ?? []).map((spec) => checkSpec(spec)), ...combine(grid)])
  if (grid.models.length === 0 || grid.tasks.length === 0 || specs.length === 0) {
    throw new KvError('KV_INVALID_SPEC', 'Expected at least one model, one task and one spec in the grid.', {
      hint: 'Give "specs", or "prune" and "quantize" with "budgets".',
    })
  }
  const rows = specs.map((spec): NamedSpec => ({ label: printSpec(spec), spec }))
  return grid.models.flatMap((model) =>
    grid.tasks.map((task): SweepJob => {
      const job = { model, task, specs: rows }
      return { id: contentHash(job as unknown as Json), ...job }
    }),
  )
}

function combine(grid: SweepGrid): CompressionSpec[] {
  if (grid.prune === undefined && grid.quantize === undefined) return []
  const budgets = grid.budgets ?? []
  return (grid.prune ?? [{ method: 'none' }]).flatMap((prune) =>
    (grid.quantize ?? [{ method: 'none' }]).flatMap((quantize) =>
      prune.method === 'none'
        ? [checkSpec({ prune, quantize })]
        : budgets.map((budget) => checkSpec({ budget, prune, quantize })),
    ),
  )
}

const dedupe = (specs: readonly CompressionSpec[]): CompressionSpec[] => [
  ...new Map(specs.map((spec) => [printSpec(spec), spec])).values(),
]
