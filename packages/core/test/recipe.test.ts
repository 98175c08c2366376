import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keydiff } from '@qpkv/pruner-keydiff'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder } from '@qpkv/reference-model'
import { loadRecipe, type Recipe } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { estimateModel, loadModel, type Model } from '../src/index.ts'
import { throwsKv } from './support/throws.ts'

const methods = [keydiff, kivi]
const folder = mkdtempSync(join(tmpdir(), 'qpkv-recipe-'))
let model: Model
let recipe: Recipe
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 1, methods })
  recipe = loadRecipe({
    recipeVersion: 1,
    spec: {
      specVersion: 2,
      prune: { method: 'keydiff' },
      quantize: { method: 'kivi', bits: 4 },
      budget: { tokens: 64 },
    },
    model: await model.identify(),
    tokens: { from: 100, to: 200 },
    protocols: ['query-agnostic'],
  })
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await model.dispose()
})

const ids = (tokens: number) => Array.from({ length: tokens }, (_, i) => 10 + (i % 300))
const write = (content: Recipe) => {
  const path = join(folder, 'recipe.json')
  writeFileSync(path, JSON.stringify(content))
  return path
}

describe('a recipe in place of a spec', () => {
  it('compresses as its spec does, from a file or as an object', async () => {
    await using plain = await model.prefill(ids(150), { compression: recipe.spec })
    for (const given of [recipe, write(recipe)]) {
      await using context = await model.prefill(ids(150), { compression: { recipe: given } })
      expect(context.report.spec).toEqual(recipe.spec)
      expect(await context.logits()).toEqual(await plain.logits())
      await context.append(' more') // its protocol has later questions
    }
    const [one] = (await estimateModel(modelFolder, { tokens: 150, specs: [{ recipe }], methods })).caches
    expect(one).toBe(model.estimate(150, [recipe.spec]).caches[0])
  })

  it('is refused for other lengths, protocols and models', async () => {
    const refused = (words: RegExp, tokens: number, input: object) =>
      throwsKv('KV_RECIPE', words, () => model.prefill(ids(tokens), { compression: input as never }))
    await refused(/100 to 200 tokens, and this one has 99/, 99, { recipe })
    await refused(/this one has 201/, 201, { recipe })
    await refused(/not for prompts that end with their question/, 150, { recipe, protocol: 'query-aware' })
    const other = { ...recipe, model: { name: 'x', fingerprint: '0000000000000000' } }
    await refused(/holds for the model x \(0{16}\), not for/, 150, { recipe: write(other) })
    await refused(/Cannot read the recipe/, 150, { recipe: join(folder, 'nosuch.json') })
    await throwsKv('KV_RECIPE', /this one has 50/, () =>
      estimateModel(modelFolder, { tokens: 50, specs: [{ recipe }], methods }),
    )
    await throwsKv('KV_INVALID_OPTION', /Did you mean protocol/, () =>
      model.prefill(ids(150), { compression: { recipe, protocl: 'query-aware' } as never }),
    )
  })

  it('for prompts with their question takes no later text, unless the caller said what it is for', async () => {
    const aware = loadRecipe({ ...recipe, protocols: ['query-aware'] })
    await using context = await model.prefill(ids(150), { compression: { recipe: aware } })
    await throwsKv('KV_RECIPE', /not for texts that are asked later/, () => context.append(' And then?'))
    await using fork = context.fork()
    await throwsKv('KV_RECIPE', /asked later/, () => fork.append(' And then?'))
    await using told = await model.prefill(ids(150), {
      compression: { recipe: aware, protocol: 'query-aware' },
    })
    await told.append([5])
  })

  it('knows rounded weights', async () => {
    await using rounded = await loadModel(modelFolder, { threads: 1, methods, weights: 'int8' })
    expect((await rounded.identify()).weights).toBe('int8')
    await throwsKv('KV_RECIPE', /unrounded weights.*int8/, () =>
      rounded.prefill(ids(150), { compression: { recipe } }),
    )
  })
})
