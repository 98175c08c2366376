import { readFileSync } from 'node:fs'
import { keydiff } from '@qpkv/pruner-keydiff'
import { snapkv } from '@qpkv/pruner-snapkv'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder } from '@qpkv/reference-model'
import type { MethodRef, SpecInput } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Context, type Model } from '../src/index.ts'
import { goldenFolder } from './support/golden.ts'

interface GoldenText {
  context: string
  /** Empty: the context holds the question. */
  questions: string[]
  given: Record<string, string[]>
}

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2 })
})
afterAll(() => model.dispose())

/** `full`, `16@N`, `kiviB@N`. */
function specOf(name: string, prune: MethodRef): SpecInput {
  const match = /^(?:16|kivi(\d))@(\d+)$/.exec(name)
  if (!match) return {}
  const [, bits, tokens] = match
  const width = Number(bits) as 8 | 4 | 2
  return {
    prune,
    budget: { tokens: Number(tokens) },
    ...(bits !== undefined && { quantize: kivi({ bits: width, group: 32, recent: 8 }) }),
  }
}

async function answer(context: Context, question: string): Promise<string> {
  await using fork = context.fork()
  if (question !== '') await fork.append(question)
  return (await fork.generate({ maxTokens: 14, temperature: 0 }).result).text
}

describe('answers from compressed caches are those of an independent program', () => {
  it.each([
    ['snapkv-w16-2048', snapkv({ window: 16, kernel: 7, pool: 'max' })],
    ['keydiff-agnostic-2048', keydiff({ last: 8 })],
  ])('%s', { timeout: 120_000 }, async (file, prune) => {
    const lines = readFileSync(goldenFolder(`tradeoff/${file}.jsonl`), 'utf8')
      .trim()
      .split('\n')
    let equal = 0
    let all = 0
    for (const line of lines) {
      const { context: text, questions, given } = JSON.parse(line) as GoldenText
      const names = Object.keys(given)
      const contexts = await model.prefill(text, {
        compression: names.map((name) => specOf(name, prune)),
        element: 'f16',
        onWarning: () => undefined,
      })
      for (const [i, context] of contexts.entries()) {
        for (const [q, question] of questions.entries()) {
          const wanted = given[names[i] ?? '']?.[q]?.replace(/<\|.*/s, '')
          equal += Number((await answer(context, question)) === wanted)
          all++
        }
        await context.dispose()
      }
    }
    expect(all).toBeGreaterThan(50)
    // Rounding and near-ties move some; a second independent program agreed in 407 of 408.
    expect(equal / all).toBeGreaterThan(0.95)
  })
})
