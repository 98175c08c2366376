import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { NumpyRandomState } from '../../src/python/numpy-random-state.ts'
import { PythonRandom, rangeSequence } from '../../src/python/python-random.ts'
import { randomUuid } from '../../src/python/python-uuid.ts'

interface Case {
  seed: string
  random: number[]
  bits: string[]
  randint: number[]
  randrange: number[]
  choice: number[]
  choices: string[]
  choices_cum: string[]
  sample: number[][]
  shuffle: number[]
  uuid: string
  after: number
}

// Recorded from CPython 3.11.7 and numpy 2.4.6 (the streams are frozen by both).
const recorded = JSON.parse(
  readFileSync(new URL('../goldens/python-random.json', import.meta.url), 'utf8'),
) as {
  cases: Case[]
  numpy: { seed: number; draws: [number, number, number][] }[]
}

function replay(seed: bigint): Omit<Case, 'seed'> {
  const random = new PythonRandom(seed)
  const list = rangeSequence(30)
  const sizes: [number, number][] = [
    [21, 5],
    [22, 5],
    [85, 6],
    [86, 6],
    [277, 22],
    [278, 22],
    [40, 4],
    [5, 5],
    [1000, 3],
    [10, 0],
  ]
  return {
    random: [random.random(), random.random(), random.random()],
    bits: [1, 7, 31, 32, 33, 64, 65, 128, 200].map((bits) => String(random.getRandomBits(bits))),
    randint: [
      random.randomInteger(1000000, 9999999),
      random.randomInteger(0, 0),
      random.randomInteger(-5, 5),
      random.randomInteger(0, 2 ** 32),
      random.randomInteger(0, 2 ** 40),
    ],
    randrange: [
      random.randomRange(3, 100, 7),
      random.randomRange(10, -10, -3),
      random.randomRange(0, 2 ** 31),
    ],
    choice: [1, 2, 17, 6191232].map((size) => random.choice({ length: size, at: (index) => index })),
    choices: random.choices('ABCDEFGHIJKLMNOPQRSTUVWXYZ', 8),
    choices_cum: random.choices('abcd', 8, [1, 3, 3.5, 10]),
    sample: sizes.map(([size, count]) => random.sample(rangeSequence(size), count)),
    shuffle: (random.shuffle(list), list),
    uuid: randomUuid(random),
    after: random.random(),
  }
}

describe('PythonRandom', () => {
  it.each(recorded.cases)('draws what CPython draws with seed $seed', ({ seed, ...wanted }) => {
    expect(replay(BigInt(seed))).toEqual(wanted)
  })

  it('refuses what Python refuses', () => {
    const random = new PythonRandom(1)
    expect(() => random.sample([1, 2], 3)).toThrow('count from 0 to 2')
    expect(() => random.randomInteger(2, 1)).toThrow('range that is not empty')
    expect(() => random.choice([])).toThrow('not empty')
    expect(() => random.choices('ab', 1, [0, 0])).toThrow('finite total')
    expect(() => random.randomBelow(0)).toThrow('integer from 1')
  })
})

describe('NumpyRandomState', () => {
  it.each(recorded.numpy)('draws what numpy draws with seed $seed', ({ seed, draws }) => {
    const state = new NumpyRandomState(seed)
    expect(draws.map(([low, high]) => state.randomInteger(low, high))).toEqual(draws.map((draw) => draw[2]))
  })

  it('refuses an empty range and a seed that numpy refuses', () => {
    expect(() => new NumpyRandomState(1).randomInteger(5, 5)).toThrow('low < high')
    expect(() => new NumpyRandomState(-1)).toThrow('2^32 - 1')
  })
})
