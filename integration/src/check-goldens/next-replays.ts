import type { LayerPlan } from '@qpkv/spec'
import { readFloats } from './arrays.ts'
import { compareKeptSets } from './kept-sets.ts'
import { planOf, recordedKept, rowsOf, shapeOf, type Recorded, type Shape } from './next-layer.ts'
import { replaySpecOf } from './next-methods.ts'
import { headsLast } from './pruners.ts'

/** KVzip: the scores of every layer's replays, then one selection over all of them. */
export async function checkReplay(recorded: Recorded): Promise<string | undefined> {
  const { folder, engine, manifest, test, arrays } = recorded
  const { params } = test
  const replay = manifest.kvzip_replays[test.replay!]!
  const input = manifest.inputs[replay.input]!
  const whole = shapeOf(input)
  const tokens = params['context_length'] as number
  const shape = { ...whole, tokens }
  const { kvHeads, queryHeads, headDim } = shape
  const first = Array.from({ length: tokens }, (_, t) => t)
  const cut = (name: 'k' | 'v', heads: number) =>
    rowsOf(
      readFloats(folder, input[name]),
      whole.tokens,
      headDim,
      Array.from({ length: heads }, () => first),
    )
  const [k, v] = [cut('k', kvHeads), cut('v', kvHeads)]
  const plan = planOf(replaySpecOf(test.method, params), shape, replay.num_layers)
  const layers: { plan: LayerPlan; scores: Float32Array }[] = []
  for (const [l, layer] of plan.layers.entries()) {
    const replays = replay.segments
      .filter((segment) => segment.layer === l)
      .map((segment) => {
        const rows = segment.q.shape[2]!
        const read = (at: { file: string; offset: number; shape: number[] }) =>
          readFloats(folder, { file: at.file, byte_offset: 4 * at.offset, shape: at.shape })
        return {
          from: segment.start,
          to: segment.end,
          rows,
          q: headsLast(read(segment.q), queryHeads, rows, headDim),
          k: read(segment.k),
          inputNorms: read(segment.h_norm),
        }
      })
    const scores = await engine.observe({
      ...shape,
      heads: 'kv',
      score: layer.stages[0]!.score,
      protectLast: layer.protect.last,
      q: new Float32Array(queryHeads * tokens * headDim),
      k,
      v,
      outputWeight: readFloats(folder, input.wo),
      replays,
    })
    const theirs = arrays('scores').subarray(l * kvHeads * tokens, (l + 1) * kvHeads * tokens)
    for (let i = 0; i < theirs.length; i++)
      if (!(Math.abs(theirs[i]! - scores[i]!) <= 1e-4 * Math.max(1e-12, Math.abs(theirs[i]!))))
        return `layer ${l}, score ${i}: ours ${scores[i]}, theirs ${theirs[i]}`
    layers.push({ plan: layer, scores })
  }
  const kept =
    params['layerwise'] === true
      ? await layerwise(recorded, layers, shape)
      : await engine.selectLayers({ tokens, heads: kvHeads, layers })
  return compareKeptSets(kept.flat(), recordedKept(recorded), recorded)
}

const layerwise = async (
  { engine }: Recorded,
  layers: readonly { plan: LayerPlan; scores: Float32Array }[],
  { tokens, kvHeads }: Shape,
): Promise<Int32Array[][]> => {
  const all: Int32Array[][] = []
  for (const layer of layers)
    all.push(...(await engine.selectLayers({ tokens, heads: kvHeads, layers: [layer] })))
  return all
}
