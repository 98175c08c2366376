import { setTimeout as pause } from 'node:timers/promises'
import { modelFolder } from '@qpkv/reference-model'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Constraint, type Model } from '../src/index.ts'
import { throwsKv } from './support/throws.ts'

let model: Model

beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 1 })
})
afterAll(() => model.dispose())

const prompt = 'The boat is'
const context = () => model.prefill(prompt)
const words = () => Math.ceil(model.config.vocabSize / 32)

/** Allows each of these sets in turn. */
function only(...steps: (readonly number[])[]): Constraint & { readonly accepted: number[] } {
  const accepted: number[] = []
  return {
    accepted,
    allowed() {
      const mask = new Int32Array(words())
      for (const id of steps[accepted.length] ?? []) mask[id >> 5]! |= 1 << (id & 31)
      return mask
    },
    accept: (token) => void accepted.push(token),
  }
}

describe('a constraint', () => {
  it('says which tokens may come, and is told of each', async () => {
    const constraint = only([40, 90], [41], [700, 3000, 12])
    const { tokens } = await (await context()).generate({ maxTokens: 3, constraint }).result
    expect(constraint.accepted).toEqual(tokens)
    expect([40, 90]).toContain(tokens[0])
    expect(tokens[1]).toBe(41)
    expect([700, 3000, 12]).toContain(tokens[2])
  })

  it('may wait, and may allow all', async () => {
    const free = await (await context()).generate({ maxTokens: 5 }).result
    const constraint = {
      allowed: () => pause(2, undefined),
      accept: () => undefined,
    }
    expect((await (await context()).generate({ maxTokens: 5, constraint }).result).tokens).toEqual(
      free.tokens,
    )
  })

  it('that allows nothing, or gives no mask, ends the reply; the context can go on', async () => {
    const own = await context()
    await throwsKv(
      'KV_INVALID_OPTION',
      /allows no token/,
      () => own.generate({ maxTokens: 3, constraint: only([40], []) }).result,
    )
    expect(own.tokens).toBe((await model.tokenize(prompt)).ids.length + 1)
    const short = { allowed: () => new Int32Array(3), accept: () => undefined }
    await throwsKv(
      'KV_INVALID_OPTION',
      /Int32Array of \d+ words.*one of 3/,
      () => own.generate({ constraint: short }).result,
    )
    await throwsKv('KV_INVALID_OPTION', /constraint/, () =>
      own.generate({ constraint: 'json' as unknown as Constraint }),
    )
    expect((await own.generate({ maxTokens: 2 }).result).tokens).toHaveLength(2)
  })
})

describe('bias, penalties and log-probabilities', () => {
  it('change the choice as they say', async () => {
    const biased = await (await context()).generate({ maxTokens: 4, logitBias: { 77: 100 } }).result
    expect(biased.tokens).toEqual([77, 77, 77, 77])
    const tired = { logitBias: { 77: 60, 78: 55 }, frequencyPenalty: 4 }
    const { tokens } = await (await context()).generate({ maxTokens: 8, ...tired }).result
    expect(new Set(tokens)).toEqual(new Set([77, 78]))
    const once = { logitBias: { 77: 60, 78: 55 }, presencePenalty: 40 }
    expect((await (await context()).generate({ maxTokens: 2, ...once }).result).tokens).toEqual([77, 78])
  })

  it('are told with each piece and in the result', async () => {
    const run = (await context()).generate({ maxTokens: 4, logprobs: 3 })
    const pieces = []
    for await (const piece of run) pieces.push(piece)
    const { logprobs, tokens } = await run.result
    expect(logprobs?.map(({ token }) => token)).toEqual(tokens)
    expect(pieces.map(({ logprob }) => logprob)).toEqual(logprobs)
    for (const { token, logprob, likeliest } of logprobs ?? []) {
      // Greedy: the chosen token is the likeliest.
      expect(likeliest).toHaveLength(3)
      expect(likeliest[0]).toEqual({ token, logprob })
      expect(logprob).toBeLessThanOrEqual(0)
    }
    const plain = await (await context()).generate({ maxTokens: 1 }).result
    expect('logprobs' in plain).toBe(false)
  })

  it('are refused out of range', async () => {
    const own = await context()
    for (const [options, wanted] of [
      [{ logprobs: 21 }, /from 0 to 20 .*logprobs/],
      [{ logitBias: { 99999: 1 } }, /token ids from 0 to \d+/],
      [{ logitBias: { 3: 101 } }, /logitBias\[3\]/],
      [{ logitBias: [1] as unknown as Record<number, number> }, /logitBias/],
      [{ presencePenalty: Number.NaN }, /presencePenalty/],
    ] as const)
      await throwsKv('KV_INVALID_OPTION', wanted, () => own.generate(options))
  })
})
