import type { ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import type { ScoreNode } from '@qpkv/spec'
import { readFloats, readJson } from './arrays.ts'
import { compareCake } from './next-cake-scores.ts'
import type { NextCase, NextManifest } from './next-cases.ts'
import { compareCompactor } from './next-compactor.ts'
import { compare, type Comparison } from './next-comparison.ts'
import type { Recorded } from './next-layer.ts'
import { ObservedLayer } from './next-observed-layer.ts'
import { checkSelection } from './next-selections.ts'
import { checkNextTables } from './next-tables.ts'
import { Tally, type FamilyResult } from './report.ts'
import {
  attentionOf,
  criticalScore,
  expectedAttention,
  group,
  lagScore,
  scale,
  windowScore,
} from './next-expressions.ts'

/*
 * Scores of newer pruners against the originals', in the engine's own statistics and operations: `pruners-next`. Which tokens are kept
 * is the methods' own matter; selections are checked beside them.
 */

const numberOf = (params: Record<string, unknown>, name: string): number => params[name] as number

/** What a case compares; empty for methods that are not checked here. */
async function comparisons(
  layer: ObservedLayer,
  test: NextCase,
  arrays: (name: string) => Float32Array,
): Promise<Comparison[]> {
  const { params } = test
  const { tokens } = layer
  const whole = { tokens, from: 0, to: tokens, relative: 'each' } as const
  switch (test.method) {
    case 'tova': {
      const score: ScoreNode = { op: 'group', by: 'mean', over: 'layer', of: [attentionOf(1, 'sum')] }
      return [{ ...whole, array: 'scores', ours: await layer.observe(score), to: tokens - 1 }]
    }
    case 'expected_attention': {
      const from = numberOf(params, 'n_sink')
      return [{ ...whole, array: 'scores', ours: await layer.observe(expectedAttention(params)), from }]
    }
    case 'knorm':
      return [{ ...whole, array: 'scores', ours: await layer.observe(scale({ stat: 'key-norm' }, -1)) }]
    case 'keydiff': {
      const ours = await layer.observe(scale({ stat: 'key-similarity' }, -1))
      return [{ ...whole, array: 'scores', ours, relative: 'largest' }]
    }
    case 'snapkv_kvpress': {
      const window = numberOf(params, 'window_size')
      return [
        {
          ...whole,
          array: 'scores',
          ours: await layer.observe(windowScore(params), window),
          to: tokens - window,
        },
      ]
    }
    case 'criticalkv': {
      const norms: ScoreNode = group({ stat: 'value-output-norm', norm: 1 })
      const w = { ...whole, array: 'wov_l1', ours: await layer.observe(norms) }
      if (params['base'] !== 'snapkv') return [w]
      const base = params['base_params'] as Record<string, unknown>
      const window = numberOf(base, 'window_size')
      const scored = { ...whole, to: tokens - window }
      const second = await layer.observe(criticalScore(base, numberOf(params, 'epsilon')), window)
      // Where theirs is in the first stage its score says so, not what it is worth.
      const theirs = arrays('scores')
      return [
        w,
        { ...scored, array: 'base_scores', ours: await layer.observe(windowScore(base), window) },
        { ...scored, array: 'scores', ours: second.map((x, i) => (theirs[i]! > 1e38 ? theirs[i]! : x)) },
      ]
    }
    case 'lagkv': {
      const ours = await layer.observe(lagScore(params, tokens))
      return tokens < numberOf(params, 'n_sink') + 2 * numberOf(params, 'lag_size')
        ? []
        : [{ ...whole, array: 'scores', ours }]
    }
    case 'compactor':
      return compareCompactor(layer, test, arrays('phi'))
    case 'rkv': {
      const score: ScoreNode = {
        stat: 'redundancy',
        threshold: numberOf(params, 'threshold'),
        alone: 'first',
      }
      return [{ ...whole, array: 'redundancy', ours: await layer.observe(score) }]
    }
    default:
      return []
  }
}

/** The first score of a case that is off; undefined where all agree, or where none of this kind was recorded. */
async function checkScores(recorded: Recorded): Promise<string | undefined> {
  const { folder, engine, manifest, test, arrays } = recorded
  const input = manifest.inputs[test.input]
  const cakeInput = manifest.cake_inputs[test.input]
  const all = cakeInput
    ? [await compareCake(folder, engine, cakeInput, test)]
    : input
      ? await comparisons(new ObservedLayer(folder, engine, input), test, arrays)
      : []
  return all.map((one) => compare(one, arrays(one.array))).find((problem) => problem !== undefined)
}

/** Scores and kept tokens of `pruners-next` on one op table. */
export async function checkNext(folder: string, engine: ProbeEngine): Promise<FamilyResult> {
  const manifest = readJson<NextManifest>(folder, 'manifest.json')
  const tally = new Tally('newer pruners', engine.table)
  for (const test of manifest.cases) {
    const arrays = (name: string) => {
      const { offset, shape } = test.arrays[name]!
      return readFloats(folder, { file: manifest.array_file, byte_offset: 4 * offset, shape })
    }
    const recorded = { folder, engine, manifest, test, arrays }
    const check = async () => (await checkScores(recorded)) ?? (await checkSelection(recorded))
    tally.record(test.id, await check().catch((error: unknown) => String(error)))
  }
  return tally.result()
}

/** Tables of budgets and counts; no kernel is involved. */
export function checkNextCounts(folder: string): FamilyResult {
  const tally = new Tally('budgets and counts of newer pruners')
  const manifest = readJson<NextManifest>(folder, 'manifest.json')
  for (const { id, problem } of checkNextTables(manifest)) tally.record(id, problem)
  return tally.result()
}
