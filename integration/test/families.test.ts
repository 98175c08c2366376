import { readdirSync, readFileSync } from 'node:fs'
import { loadModel, type Context, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { planBytes } from '@qpkv/spec'
import { describe, expect, test } from 'vitest'
import { namedModel } from '../../packages/core/test/support/named-weights.ts'

/*
 * Every family of models meets every pruner and every quantizer, and every pruner meets every quantizer: the pairs of
 * a family are shifted against those of the one before. What the families' logits are is tested in core.
 */

interface FamilyCase {
  readonly config: Readonly<Record<string, unknown>>
  readonly tensors: Readonly<Record<string, readonly number[]>>
  readonly ids: readonly number[]
}
const folder = new URL('../../packages/core/test/goldens/families/', import.meta.url)
const cases = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file): [string, FamilyCase] => [
    file.slice(0, -'.json'.length),
    JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as FamilyCase,
  ])
const pruners = [...new Set(['none', ...registry.pruners.keys()])]
const quantizers = [...new Set(['none', ...registry.quantizers.keys()])]
/** Options that suit prompts of 80 tokens. */
const options: Record<string, string> = { snapkv: ':window=8', layerquant: ':window=8', keydiff: ':last=8' }
const budgets: Record<string, string> = { none: '', layerquant: '@16x16' }

const pairsOf = (family: number) =>
  pruners.map((pruner, i) => {
    const quantizer = quantizers[(i + family) % quantizers.length] ?? 'none'
    return `${pruner}${options[pruner] ?? ''}+${quantizer}${budgets[pruner] ?? '@40t'}`
  })

/** The logits after more tokens, which have passed the compressed cache. */
async function probe(context: Context, ids: readonly number[]): Promise<Float32Array> {
  await context.append([...ids])
  return context.logits()
}

/** Probing a context that a query-aware pruner made is meant here. */
const quiet = () => {}

test('the pairs cover every pruner with every quantizer', () => {
  const met = new Set(
    cases.flatMap((_, family) => pairsOf(family).map((text) => text.replace(/:[^+]*|@.*/g, ''))),
  )
  expect(met.size).toBe(pruners.length * quantizers.length)
})

describe.each(cases.map(([name, family], i) => ({ name, family, i })))('$name', ({ family, i }) => {
  const load = (): Promise<Model> =>
    loadModel(namedModel(family.config, family.tensors), { threads: 2, methods: registry })

  test('runs every pruner and every quantizer, allocates its plans and answers with numbers', async () => {
    await using model = await load()
    const compression = pairsOf(i)
    const contexts = await model.prefill(family.ids.slice(0, 70), {
      compression,
      onWarning: quiet,
      expectTokens: 100,
    })
    for (const [index, text] of compression.entries()) {
      const context = contexts[index] as Context
      const { plan, bytes, kept } = context.report
      expect(bytes.allocated, text).toBe(bytes.planned)
      expect(planBytes(plan, model.facts).total, text).toBe(bytes.planned)
      expect(
        kept.flat().every((count) => count > 0),
        text,
      ).toBe(true)
      const windows = model.facts.slidingWindow ?? []
      // Of a window of w tokens the next token sees w - 1 that are there already.
      for (const layer of context.report.windowed.layers)
        expect(new Set(kept[layer]), `${text}, layer ${layer}`).toEqual(
          new Set([Math.min(70, (windows[layer] ?? 71) - 1)]),
        )
      expect(context.report.windowed.layers.length > 0, text).toBe(
        windows.some((window) => window !== null) && windows.includes(null),
      )
      const logits = await probe(context, family.ids.slice(40))
      expect(logits.every(Number.isFinite), text).toBe(true)
      await context.dispose()
    }
  })

  test('with room for everything every exact cache answers as the full one', async () => {
    await using model = await load()
    const compression = ['none+none', ...[...registry.pruners.keys()].map((name) => `${name}+none@200t`)]
    const contexts = await model.prefill(family.ids.slice(0, 70), { compression, onWarning: quiet })
    const [full, ...others] = await Promise.all(contexts.map((context) => probe(context, [3, 5])))
    for (const [index, logits] of others.entries())
      // Positions in the cache turn keys where they are read, in another order of roundings.
      expect(
        Math.max(...logits.map((x, j) => Math.abs(x - (full?.[j] ?? NaN)))),
        compression[index + 1],
      ).toBeLessThan(0.02)
    for (const context of contexts) await context.dispose()
  })
})
