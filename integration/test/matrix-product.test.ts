import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { parseSpec, planBytes, printSpec } from '@qpkv/spec'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { overspends, probe, productCells, textsWith, type Cell } from './matrix-cells.ts'

/*
 * The whole product of methods, tiers included, on the reference model, for .ci/nightly: every cell resolves, runs, takes the
 * bytes of its plan and is bit-equal over threads. `MATRIX=full` runs all cells, `MATRIX=1/50` every fiftieth.
 */

const wanted = process.env['MATRIX']
/** Caches that exist at a time. */
const BATCH = 48

const every = wanted === undefined || wanted === 'full' ? 1 : Number(/^1\/([1-9]\d*)$/.exec(wanted)?.[1])
if (!Number.isInteger(every)) throw new Error(`MATRIX is "full" or "1/N", not ${JSON.stringify(wanted)}`)

/** Neighbours differ in the last factors, so a stride that shares no divisor with their levels walks through all of them. */
const sample = (cells: readonly Cell[]) => cells.filter((_, i) => i % every === 0)

let models: Model[] = []
beforeAll(async () => {
  if (wanted === undefined) return
  models = [
    await loadModel(modelFolder, { threads: 2, methods: registry }),
    await loadModel(modelFolder, { threads: 1, methods: registry }),
  ]
})
afterAll(async () => {
  for (const model of models) await model.dispose()
})

/** What is wrong with a cell's context, beside its logits after the cache was passed. */
async function look(model: Model, batch: readonly Cell[], prompt: string) {
  const contexts = await model.prefill(prompt, {
    compression: batch.map(({ text }) => text),
    onWarning: () => {},
  })
  const seen: { logits: Float32Array; problem: string | undefined }[] = []
  for (const [i, context] of contexts.entries()) {
    const { text } = batch[i]!
    const { plan, bytes, kept, spentNominal } = context.report
    const logits = await probe(context)
    // Where all layers share places a head may end without any.
    const empty = !text.includes('model-wide') && kept.flat().some((count) => count === 0)
    const problems = [
      bytes.allocated !== bytes.planned && `${bytes.allocated} bytes, ${bytes.planned} planned`,
      planBytes(plan, model.facts).total !== bytes.planned && 'a plan of other bytes',
      !overspends(text) && spentNominal > 1 + 1e-9 && `${spentNominal} of the budget`,
      empty && 'a head without tokens',
      !logits.every(Number.isFinite) && 'logits that are no numbers',
      printSpec(parseSpec(printSpec(parseSpec(text)))) !== printSpec(parseSpec(text)) &&
        'another spec when read again',
    ]
    seen.push({ logits, problem: problems.find((one) => typeof one === 'string') })
    await context.dispose()
  }
  return seen
}

test.skipIf(wanted === undefined)(
  'every cell of the product runs as planned, on one thread and on two',
  async () => {
    const all = productCells()
    const cells = sample(all)
    const [{ prompt } = { prompt: '' }] = textsWith(models[0]!, 1)
    const wrong: string[] = []
    for (let at = 0; at < cells.length; at += BATCH) {
      const batch = cells.slice(at, at + BATCH)
      const [two, one] = [await look(models[0]!, batch, prompt), await look(models[1]!, batch, prompt)]
      for (const [i, { text }] of batch.entries()) {
        const differs = two[i]!.logits.some((x, n) => !Object.is(x, one[i]!.logits[n]))
        const problem = two[i]!.problem ?? (differs ? 'other logits on one thread' : undefined)
        if (problem !== undefined) wrong.push(`${text}: ${problem}`)
      }
    }
    console.log(`${cells.length} of ${all.length} cells`)
    expect(wrong).toEqual([])
  },
)
