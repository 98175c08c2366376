import { heatMapCells, type HeatMap } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import { wordOverlap } from '../scores/word-overlap.ts'
import type { OriginalResult } from './read-original.ts'

/** `overlap`: words of the expected answer, what the papers' plots show. `saved`: the file's `score` / 10. */
export type OriginalScore = 'overlap' | 'saved'

export interface OriginalHeatMapOptions {
  readonly score?: OriginalScore
  /** The answer behind `overlap`. Default: the usual needle's. */
  readonly expected?: string
  readonly trainedLength?: number
}

/** An original result folder as a heat map in its usual form, titled as the originals title it, with the overall mean below. */
export function originalHeatMap(
  results: readonly OriginalResult[],
  { score = 'overlap', expected, trainedLength }: OriginalHeatMapOptions = {},
): HeatMap {
  const models = [...new Set(results.map(({ model }) => model))]
  if (models.length !== 1) {
    throw new KvError('KV_DATA', `Expected results of one model but found ${models.join(', ') || 'none'}.`, {
      hint: 'Draw one folder per model.',
    })
  }
  const values = results.map((result) => ({
    length: result.context_length,
    depth: result.depth_percent,
    score: score === 'saved' ? result.score / 10 : wordOverlap(result.model_response.trim(), expected),
  }))
  const lengths = ascending(values.map(({ length }) => length))
  const depths = ascending(values.map(({ depth }) => depth))
  const scores = heatMapCells(values, lengths, depths)
  const cells = scores.flat().filter((cell) => cell !== null)
  const overall = cells.reduce((sum, cell) => sum + cell, 0) / cells.length
  return {
    title: `Pressure Testing ${models[0] ?? ''} / Fact Retrieval Across Context Lengths`,
    subtitle: `overall ${overall.toFixed(3)} (mean of ${cells.length} cells, ${score === 'saved' ? 'saved score / 10' : 'word overlap'})`,
    lengths,
    depths,
    scores,
    palette: 'original',
    ...(trainedLength === undefined ? {} : { trainedLength }),
  }
}

const ascending = (values: readonly number[]) => [...new Set(values)].sort((a, b) => a - b)
