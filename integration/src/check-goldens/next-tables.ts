import { layerBudgets } from '@qpkv/pruner-cake'
import { specOf } from './next-methods.ts'
import type { NextManifest } from './next-cases.ts'
import { planOf } from './next-layer.ts'

/** The allocator's tables, and how many tokens a share keeps: exact. */
export function checkNextTables(manifest: NextManifest): { id: string; problem: string | undefined }[] {
  const tables = manifest.cake_budget_tables
    .filter((table) => table.truncation_margin >= 1e-6)
    .map((table, i) => {
      const places = (table.cache_size - table.window_size) * table.num_layers
      const ours = layerBudgets(table.pref_scores, places, table.seq_len - table.window_size, true)
      const same = ours.join() === table.layer_budgets.join()
      return {
        id: `budgets ${i}`,
        problem: same ? undefined : `${ours.join()}, theirs ${table.layer_budgets.join()}`,
      }
    })
  // At least one token is kept since the commit that made these.
  const counts = manifest.kept_count_table.map(([tokens, dropped, kept]) => {
    const shape = { tokens, queryHeads: 1, kvHeads: 1, headDim: 2 }
    const spec = specOf('knorm', { compression_ratio: dropped }, tokens, 0)!
    const ours = dropped === 0 ? tokens : planOf(spec, shape).layers[0]!.tokens.perHead
    const same = ours === Math.max(1, kept)
    return { id: `count ${tokens} ${dropped}`, problem: same ? undefined : `${String(ours)}, theirs ${kept}` }
  })
  return [...tables, ...counts]
}
