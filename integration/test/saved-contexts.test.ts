import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type Context, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { withOptions } from './matrix-cells.ts'

// Every pruner, quantizer and sharing of the registry, through a file and back.

const folder = mkdtempSync(join(tmpdir(), 'qpkv-saved-'))
let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2, methods: registry })
})
afterAll(async () => {
  await model.dispose()
  rmSync(folder, { recursive: true })
})

const ids = (count: number, seed: number) =>
  Array.from({ length: count }, (_, i) => 20 + (((i + seed) * 7919) % 3600))
const quiet = { onWarning: () => undefined }
const names = (methods: ReadonlyMap<string, unknown>) =>
  [...new Set(methods.keys())].filter((name) => name !== 'none')

const specs = [
  ...names(registry.quantizers).map((quantizer) => `none+${quantizer}`),
  ...names(registry.pruners).map((pruner) =>
    pruner === 'layerquant'
      ? 'layerquant:window=16+kivi@40x16'
      : `${withOptions(pruner)}+kivi:bits=4,recent=8@160t`,
  ),
  ...names(registry.sharings).map((sharing) => `snapkv:window=16~~${sharing}+kivi:bits=2,recent=8@120t`),
  'h2o:decode=evict+kivi:bits=4,recent=8@90t',
  'rkv:decode=evict,buffer=16+kivi:bits=4,recent=8@90t',
  'tova:decode=evict+turboquant:bits=4@90t',
  'keydiff:last=8+turboquant@6%B#tiers=8:0.1,4:0.3,2',
  'keydiff:last=8+hadamard:bits=4@120t#heads=query#0-1:keyBits=8,valueBits=8',
]

async function goesOn(context: Context) {
  const { tokens } = await context.generate({ maxTokens: 12, stopTokens: [], temperature: 0 }).result
  await context.append(ids(70, 5))
  return { tokens, logits: await context.logits(), bytes: context.bytes, held: context.report.held }
}

test.each(specs)('%s goes on as if it had never been away', async (compression) => {
  await using context = await model.prefill(ids(400, 1), { compression, ...quiet })
  await context.append(ids(45, 3))
  const path = join(folder, 'context')
  await context.save(path)
  await using opened = await model.open(path, quiet)
  expect(opened.report.plan).toEqual(context.report.plan)
  expect(opened.report.bytes.simulated).toBe(context.report.bytes.simulated)
  await opened.save(join(folder, 'again'))
  expect(readFileSync(join(folder, 'again')).equals(readFileSync(path))).toBe(true)
  expect(await goesOn(opened)).toEqual(await goesOn(context))
})

test.each(['none+none', 'none+kivi:bits=4', 'keydiff:last=8+kivi:bits=4@20%'])(
  'a file of %s takes what the cache takes, and little more',
  async (compression) => {
    await using context = await model.prefill(ids(4000, 1), { compression, ...quiet })
    const path = join(folder, 'sized')
    await context.save(path)
    const { vocabSize } = model.config
    // Beside the cache: the logits, once, and a header of ids and plans, which in a model of this size weigh.
    const beside = 4 * vocabSize + 7 * context.tokens + 2000 * model.facts.layers
    expect(statSync(path).size).toBeGreaterThan(context.bytes)
    expect(statSync(path).size).toBeLessThan(1.01 * context.bytes + beside)
  },
)
