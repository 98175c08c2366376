import { expect, test } from 'vitest'
import { ReleasedCache } from '../src/check-goldens/released-cache.ts'

const HEADS = 2
const DIM = 3
const at = (head: number, token: number, channel: number) => head * 100 + token + channel / 8

/** [heads, tokens, dim] of tokens `first` on. */
function block(first: number, tokens: number): Float32Array {
  const values = new Float32Array(HEADS * tokens * DIM)
  for (let h = 0; h < HEADS; h++)
    for (let t = 0; t < tokens; t++)
      for (let c = 0; c < DIM; c++) values[(h * tokens + t) * DIM + c] = at(h, first + t, c)
  return values
}

test('a layer left exact keeps its prompt in the residual and never flushes, however long that is', () => {
  const cache = new ReleasedCache(block(0, 32), HEADS, DIM, 8, undefined)
  for (let step = 1; step <= 20; step++) {
    const { seen, flushed } = cache.step(block(31 + step, 1))
    expect(flushed).toBe(false)
    expect(cache.residual).toBe(32 + step)
    expect(seen).toEqual(block(0, 32 + step))
  }
})

test('a quantized layer codes its whole prompt, then everything again when the residual is full', () => {
  // Coding adds a half, so that what was coded twice shows.
  const coded: number[] = []
  const cache = new ReleasedCache(block(0, 12), HEADS, DIM, 4, (values, tokens) => {
    coded.push(tokens)
    return values.map((x) => x + 0.5)
  })
  const trace = [1, 2, 3, 4, 5, 6, 7, 8].map((step) => {
    const { flushed } = cache.step(block(11 + step, 1))
    return [cache.residual, flushed]
  })
  expect(trace.map(([left]) => left)).toEqual([1, 2, 3, 0, 1, 2, 3, 0])
  expect(trace.map(([, flushed]) => flushed)).toEqual([false, false, false, true, false, false, false, true])
  expect(coded).toEqual([12, 16, 20])
  const { seen } = cache.step(block(20, 1))
  const read = (head: number, token: number) => seen[(head * 21 + token) * DIM]! - at(head, token, 0)
  expect([0, 12, 16, 19, 20].map((token) => read(1, token))).toEqual([1.5, 1, 0.5, 0.5, 0])
})

test('a residual length of 1 codes again from the second token on', () => {
  const cache = new ReleasedCache(block(0, 5), HEADS, DIM, 1, (values) => values)
  expect([5, 6, 7, 8].map((t) => cache.step(block(t, 1)).flushed)).toEqual([false, true, false, true])
})

/** The same rule over numbers of tokens: what the released code holds coded and exact after each later token. */
function flushes(prompt: number, limit: number, quantized: boolean, steps: number): [number, boolean][] {
  let exact = quantized ? 0 : prompt
  return Array.from({ length: steps }, () => {
    // An empty residual is no tensor there, and is never coded.
    const flushed = quantized && exact > 0 && exact + 1 >= limit
    exact = flushed ? 0 : exact + 1
    return [exact, flushed]
  })
}

test('prompts shorter and longer than the residual, of layers quantized and exact', () => {
  for (const limit of [1, 2, 3, 8, 13])
    for (const prompt of [1, 2, limit - 1, limit, limit + 1, 3 * limit + 1].filter((tokens) => tokens > 0))
      for (const quantized of [true, false]) {
        const cache = new ReleasedCache(block(0, prompt), HEADS, DIM, limit, quantized ? (x) => x : undefined)
        const trace = Array.from({ length: 30 }, (_, step) => {
          const { seen, flushed } = cache.step(block(prompt + step, 1))
          expect(seen).toEqual(block(0, prompt + step + 1))
          return [cache.residual, flushed]
        })
        const name = `prompt ${prompt}, residual ${limit}, ${quantized ? 'quantized' : 'exact'}`
        expect(trace, name).toEqual(flushes(prompt, limit, quantized, 30))
      }
})
