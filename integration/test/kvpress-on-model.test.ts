import { readFileSync } from 'node:fs'
import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { specOf, type Params } from '../src/check-goldens/next-methods.ts'

/*
 * What kvpress 0.5.5 keeps of the bundled model's own keys in all layers, and what the whole engine keeps of the same tokens;
 * written by tools/goldens/make_model_vectors.py. Heads whose boundary is closer than 1e-3 or below 1e-30 are left out there.
 */

const { ids, kvHeads, cases } = JSON.parse(
  readFileSync(new URL('goldens/kvpress-on-model.json', import.meta.url), 'utf8'),
) as {
  ids: number[]
  kvHeads: number
  /** kept: [layers * kvHeads] strings of 0 and 1. */
  cases: { method: string; params: Params; kept: (string | null)[] }[]
}
/** Where heads or stages compete the boundary of each is not recorded: so many tokens may differ there. */
const NEAR_TIES = 1
const compete = ['adakv', 'criticalkv', 'criticaladakv']

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { methods: registry, precision: 'f32', threads: 2 })
})
afterAll(() => model.dispose())

test.each(cases)('$method $params keeps what kvpress keeps', async ({ method, params, kept }) => {
  const clear = kept.filter((row) => row !== null)
  const total = clear.reduce((sum, row) => sum + row.split('1').length - 1, 0)
  const compression = specOf(method, params, ids.length, Math.floor(total / clear.length))!
  await using context = await model.prefill(Int32Array.from(ids), { compression, onWarning: () => {} })
  for (const [i, row] of kept.entries()) {
    if (row === null) continue
    const own = new Set(context.positions(Math.floor(i / kvHeads), i % kvHeads))
    const differing = row.split('').filter((bit, t) => (bit === '1') !== own.has(t)).length
    expect(differing, `layer ${Math.floor(i / kvHeads)}, head ${i % kvHeads}`).toBeLessThanOrEqual(
      compete.includes(method) ? 2 * NEAR_TIES : 0,
    )
  }
})
