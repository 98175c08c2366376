import { compareKeptSets } from './kept-sets.ts'
import { checkBlocks } from './next-blocks.ts'
import { checkCake } from './next-cake.ts'
import {
  planOf,
  recordedKept,
  runLayer,
  shapeOf,
  tensorsOf,
  type Recorded,
  type Shape,
} from './next-layer.ts'
import { specOf } from './next-methods.ts'
import { checkReplay } from './next-replays.ts'
import { checkSteps } from './next-steps.ts'

/*
 * Which tokens newer pruners keep, against the originals': the methods' own specs and plans, run by the engine's entry
 * points. `pruners-next`.
 */

/** Checks the kept sets of a case; undefined where they agree. */
export async function checkSelection(recorded: Recorded): Promise<string | undefined> {
  const { test, manifest } = recorded
  const cake = manifest.cake_inputs[test.input]
  if (cake) return checkCake(recorded)
  if (test.method.startsWith('kvzip')) return checkReplay(recorded)
  const input = manifest.inputs[test.input]!
  const shape = shapeOf(input)
  if (test.method === 'rkv_steps') return checkSteps(recorded, input, shape)
  if (test.method === 'keydiff_blockwise') return checkBlocks(recorded, input, shape)
  const theirs = recordedKept(recorded)
  const mean = Math.floor(test.kept_count.reduce((sum, n) => sum + n, 0) / test.kept_count.length)
  const spec = specOf(test.method, test.params, shape.tokens, mean)
  if (spec === undefined) return `no spec for ${test.method} over ${String(test.params['base'])}`
  const plan = planOf(spec, shape).layers[0]!
  const { kept, scores } = await runLayer(recorded, input, plan, tensorsOf(recorded, input), shape)
  return compareScores(recorded, scores, shape) ?? compareKeptSets(kept, theirs, recorded)
}

/** Scores of the first stage by method: their array, and what ours is to be divided by. */
function compareScores(
  { test, arrays }: Recorded,
  ours: Float32Array,
  { tokens, kvHeads }: Shape,
): string | undefined {
  const { params } = test
  const base = params['base'] === 'snapkv' ? (params['base_params'] as { window_size: number }) : undefined
  const known: Record<string, { array: string; sumOf?: number; each: boolean }> = {
    adakv: { array: 'base_scores', sumOf: base?.window_size ?? 1, each: true },
    criticaladakv: { array: 'base_scores', each: true },
    lagkv: { array: 'scores', each: true },
    rkv: { array: 'final_scores', each: false },
  }
  const by = known[test.method]
  if (by === undefined) return undefined
  const theirs = arrays(by.array)
  const [own, width] = [ours.length / kvHeads, theirs.length / kvHeads]
  const largest = theirs.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  const sinks = base === undefined && by.array === 'base_scores' ? 4 : 0
  for (let head = 0; head < kvHeads; head++)
    for (let t = sinks; t < Math.min(own, width, tokens); t++) {
      const [a, b] = [ours[head * own + t]! / (by.sumOf ?? 1), theirs[head * width + t]!]
      if (!(Math.abs(a - b) <= 1e-4 * (by.each ? Math.max(1e-12, Math.abs(b)) : largest)))
        return `${by.array}: head ${head}, token ${t}: ours ${a}, theirs ${b}`
    }
  return undefined
}
