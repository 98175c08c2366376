import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as world from '../src/index.ts'

const lexicon = readFileSync(new URL('../training/lexicon.py', import.meta.url), 'utf8')
const pythonWords = (name: string) =>
  (new RegExp(`^${name} = (?:"""([^"]*)"""|"([^"]*)")`, 'm').exec(lexicon) ?? [])
    .slice(1)
    .join(' ')
    .split(/\s+/)
    .filter((word) => word !== '' && word !== 'undefined')

describe('the world', () => {
  it.each([
    ['ADJECTIVES', world.adjectives],
    ['NOUNS', world.nouns],
    ['VERBS', world.verbs],
    ['INFINITIVES', world.infinitives],
    ['PREPOSITIONS', world.prepositions],
    ['PLACES', world.places],
    ['NAMES', world.names],
  ])('has the words of the training scripts: %s', (name, words) => {
    expect(pythonWords(name).length).toBeGreaterThan(5)
    expect(words).toEqual(pythonWords(name))
  })

  it('makes facts of every kind whose needle holds topic and value', () => {
    const random = new world.WorldRandom('facts')
    for (const kind of ['number', 'word', 'uuid', 'attribute', 'thing'] as const) {
      for (const fact of world.facts(random, kind, 20)) {
        expect(fact.needle).toContain(fact.key)
        expect(fact.needle.endsWith(`${fact.value}.`)).toBe(true)
        expect(world.question(fact).text).toBe(`What is the ${fact.topic}?`)
        expect(world.leadText(world.question(fact))).toBe(`\nThe ${fact.topic} is`)
      }
    }
    expect(world.fact(random, 'uuid').value).toMatch(/^[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}$/)
    expect(world.numberValue(random, 5)).toMatch(/^[1-9]\d{4}$/)
  })

  it('asks in chat form with the text in front', () => {
    const fact = world.fact(new world.WorldRandom(1), 'number', 'amber-acorn')
    expect(world.chatMessages(' Text.', world.question(fact))).toEqual([
      { role: 'user', content: ' Text.\nWhat is the special magic number for amber-acorn?' },
    ])
  })
})

describe('the random numbers', () => {
  it('stay what they are', () => {
    const random = new world.WorldRandom('fixed')
    expect(Array.from({ length: 6 }, () => random.below(1000))).toMatchInlineSnapshot(`
      [
        961,
        91,
        443,
        782,
        574,
        770,
      ]
    `)
  })

  it('are uniform', () => {
    const random = new world.WorldRandom(3)
    const counts = Array.from({ length: 10 }, () => 0)
    for (let i = 0; i < 20_000; i++) {
      const bin = random.below(10)
      counts[bin] = (counts[bin] ?? 0) + 1
    }
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(200)
  })

  it('shuffle without losing anything and draw by weight', () => {
    const random = new world.WorldRandom(4)
    expect(random.shuffle([1, 2, 3, 4, 5]).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5])
    expect(random.weighted(['a', 'b'], [0, 1])).toBe('b')
    expect(() => random.pick([])).toThrow(/at least one/)
  })
})

describe('the bundled model', () => {
  it('lies where modelFolder says, with every file of a Hugging Face folder', () => {
    const config = JSON.parse(readFileSync(`${world.modelFolder}/config.json`, 'utf8')) as {
      model_type: string
    }
    expect(config.model_type).toBe('llama')
    const weights = readFileSync(`${world.modelFolder}/model.safetensors`)
    const header = Number(weights.readBigUInt64LE(0))
    expect(Object.keys(JSON.parse(weights.toString('utf8', 8, 8 + header)) as object)).toContain(
      'model.layers.3.self_attn.q_proj.weight',
    )
  })
})
