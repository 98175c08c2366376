import { loadModel, type Context, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder, needleCases } from '@qpkv/reference-model'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { scrambleTiles } from '../../packages/core/test/support/probe.ts'

/*
 * Every profile of every quantizer on the reference model, whole and pruned. All are stored in true tiles but those
 * of kivi that stand for released code: those are the only simulation.
 */

const SIMULATED = ['kivi:profile=qpruningkv', 'kivi:profile=kvcache-factory']
/** The default range covers all four layers of this model. */
const options: Record<string, string> = { layerquant: ',from=1,to=3' }

const profiles = [...registry.quantizers].flatMap(([name, { profiles }]) =>
  Object.keys(profiles).map((profile) => `${name}:profile=${profile}${options[name] ?? ''}`),
)
const texts = profiles.flatMap((profile) =>
  ['none', 'snapkv:window=16'].flatMap((pruner) =>
    ['', '#heads=query'].map(
      (heads) => `${pruner}+${profile}${pruner === 'none' ? '' : '@160t'}${heads}` as const,
    ),
  ),
)
const isSimulated = (text: string) => SIMULATED.some((profile) => text.includes(profile))

let model: Model
let single: Model
const contexts = new Map<string, Context>()
const prompt = () =>
  needleCases({
    seed: 'profiles',
    tokens: 400,
    keys: 4,
    samples: 1,
    protocol: 'query-aware',
    countTokens: (text) => model.tokenizer?.encode(text, { special: false }).length ?? 0,
  })[0]?.prompt ?? ''
const compress = (by: Model) => by.prefill(prompt(), { compression: texts, onWarning: () => {} })

beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2, methods: registry })
  single = await loadModel(modelFolder, { threads: 1, methods: registry })
  for (const [i, context] of (await compress(model)).entries()) contexts.set(texts[i] ?? '', context)
}, 120_000)
afterAll(async () => {
  for (const context of contexts.values()) await context.dispose()
  await model.dispose()
  await single.dispose()
})

/** The logits after a hundred more tokens: they have passed the cache, and enough of them to leave any window. */
async function probe(context: Context): Promise<Float32Array> {
  const fork = context.fork()
  await fork.append(Int32Array.from({ length: 100 }, (_, i) => 220 + (i % 50)))
  const logits = await fork.logits()
  await fork.dispose()
  return logits
}
/** What keeps two layers at both ends exact leaves nothing coded in a model of four. */
const isExact = (text: string) => text.includes('turboquant:profile=vllm')
const of = (text: string) => contexts.get(text) as Context

test('the registry has profiles to try', () => {
  expect(profiles.length).toBeGreaterThanOrEqual(5)
  expect(texts.filter(isSimulated).length).toBe(SIMULATED.length * 4)
})

describe.each(texts)('%s', (text) => {
  test('is stored in tiles of the plan, and simulated only where no tile can hold it', () => {
    const { plan, bytes } = of(text).report
    expect(plan.layers.some((layer) => layer.simulated !== undefined)).toBe(isSimulated(text))
    expect(bytes.simulated !== undefined).toBe(isSimulated(text))
    expect(bytes.allocated).toBe(bytes.planned)
    const coded = plan.layers.some(({ segments }) => segments.some(({ key }) => key.bits !== 16))
    expect(coded).toBe(!isSimulated(text) && !isExact(text))
  })

  test('has finite logits, and noise over its codes changes them', async () => {
    const before = await probe(of(text))
    expect(before.every(Number.isFinite)).toBe(true)
    if (isSimulated(text) || isExact(text)) return
    scrambleTiles(of(text), 1)
    expect(await probe(of(text))).not.toEqual(before)
  })
})

test('bit-equal with one thread', async () => {
  const fresh = await compress(model)
  for (const [i, context] of (await compress(single)).entries()) {
    expect(await probe(context), texts[i]).toEqual(await probe(fresh[i] as Context))
    await context.dispose()
    await fresh[i]?.dispose()
  }
}, 120_000)

test('layers that an override leaves exact are counted beside the simulated ones', async () => {
  const list = await model.prefill(prompt(), {
    compression: [
      'none+none',
      'none+kivi:profile=qpruningkv,bits=4',
      'none+kivi:profile=qpruningkv,bits=4#1-3:keyBits=16,valueBits=16',
    ],
  })
  const [full, coded, half] = list.map(({ report }) => report.bytes)
  expect(half?.simulated).toBe(((full?.planned ?? 0) + (coded?.simulated ?? 0)) / 2)
  for (const context of list) await context.dispose()
})
