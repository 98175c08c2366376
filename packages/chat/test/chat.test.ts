import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { Chat, type ReplyRequest } from '../src/index.ts'
import { modelWithFiles } from './support/model-with-template.ts'
import { sentencePieceTokenizer } from './support/sentencepiece-tokenizer.ts'

let model: Model

beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 1, methods: registry })
})
afterAll(() => model.dispose())

async function text(chat: Chat, request: ReplyRequest) {
  const opened = await chat.open(request)
  let said = ''
  let reason = ''
  for await (const event of opened.replies[0]!) {
    if (event.type === 'text') said += event.text
    if (event.type === 'finish') reason = event.reason
  }
  await opened.dispose()
  return { said, reason, cached: opened.cachedTokens, prompt: opened.promptTokens }
}

const user = (content: string) => ({ role: 'user', content }) as const

describe('JSON replies', () => {
  const schema = {
    type: 'object',
    properties: {
      name: { type: 'string', maxLength: 12 },
      age: { type: 'integer', minimum: 0, maximum: 150 },
      tags: { type: 'array', items: { enum: ['red', 'blue'] }, maxItems: 2 },
    },
    required: ['name', 'age', 'tags'],
    additionalProperties: false,
  }

  it('are of their schema, at any temperature', async () => {
    const chat = new Chat(model)
    for (const seed of [1, 2, 3, 4, 5]) {
      const generate = { maxTokens: 400, temperature: 1.5, topK: 0, topP: 1, seed }
      const { said, reason } = await text(chat, { prompt: [user('Who?')], json: { schema }, generate })
      expect(reason).toBe('stop')
      const value = JSON.parse(said) as { name: string; age: number; tags: string[] }
      expect(Object.keys(value)).toEqual(['name', 'age', 'tags'])
      expect(value.name.length).toBeLessThanOrEqual(12)
      expect(Number.isInteger(value.age)).toBe(true)
      expect(value.age).toBeGreaterThanOrEqual(0)
      expect(value.age).toBeLessThanOrEqual(150)
      expect(value.tags.every((tag) => tag === 'red' || tag === 'blue')).toBe(true)
    }
    await chat.dispose()
  })

  it('without a schema have no white space that could go on for ever', async () => {
    const chat = new Chat(model)
    const spaces = ['Ġ', 'Ċ', 'ĠĠ', 'ĉ'].map((piece) => model.tokenizer?.idOf(piece))
    // Whoever likes white space best gets as much as the grammar lets it have: one behind a comma and a colon.
    const logitBias = Object.fromEntries(spaces.flatMap((id) => (id === undefined ? [] : [[id, 100]])))
    expect(Object.keys(logitBias)).not.toEqual([])
    for (const schema of [{}, { type: 'object' }, { type: 'array' }]) {
      const opened = await chat.open({
        prompt: 'x',
        json: { schema },
        generate: { maxTokens: 60, logitBias },
      })
      let said = ''
      for await (const event of opened.replies[0]!) if (event.type === 'text') said += event.text
      await opened.dispose()
      const outside = said.replace(/"([^"\\]|\\.)*("|$)/g, '""')
      expect(outside).not.toMatch(/^\s|\s\s|\n|\s$/)
    }
    await chat.dispose()
  })

  it('are of their schema with a SentencePiece-style tokenizer, bytes included', async () => {
    const other = await modelWithFiles({ 'tokenizer.json': sentencePieceTokenizer() })
    const chat = new Chat(other)
    const properties = { say: { const: 'São ☃ {x}' }, sure: { type: 'boolean' }, of: { enum: [1, 22] } }
    const closed = { type: 'object', properties, required: Object.keys(properties) }
    for (const seed of [1, 2, 3]) {
      const generate = { maxTokens: 300, temperature: 1.5, topK: 0, topP: 1, seed }
      const { said, reason } = await text(chat, {
        prompt: [user('Who?')],
        json: { schema: closed },
        generate,
      })
      expect(reason).toBe('stop')
      const value = JSON.parse(said) as { say: string; sure: boolean; of: number }
      expect(value.say).toBe('São ☃ {x}')
      expect(typeof value.sure).toBe('boolean')
      expect([1, 22]).toContain(value.of)
      expect(said.startsWith('{"say": "')).toBe(true)
    }
    await chat.dispose()
  })

  it('refuse schemas that would not be obeyed, and go on', async () => {
    const chat = new Chat(model)
    for (const [bad, wanted] of [
      [{ not: { type: 'string' } }, /#\/not is a keyword that is not obeyed/],
      [{ type: 'strng' }, /#\/type is none of/],
      [{ propertys: {} }, /did you mean properties/],
      [{ $ref: '#/$defs/x' }, /names nothing/],
      [{ type: 'string', minLength: 1e6 }, /minLength/],
      [{ type: 'string', pattern: '(a{1000}){1000}' }, /repeats/],
      ['x', /not an object/],
    ] as const)
      await expect(chat.open({ prompt: 'x', json: { schema: bad } })).rejects.toThrow(wanted)
    const good = await text(chat, { prompt: 'x', json: { schema: { enum: ['yes', 'no'] } } })
    expect(['"yes"', '"no"']).toContain(good.said)
    await chat.dispose()
  })
})

describe('kept prefixes', () => {
  it('serve the next turn and a repeated prompt with the tokens that a prefill would give', async () => {
    const chat = new Chat(model, { prefixBytes: 64e6 })
    const generate = { maxTokens: 12, temperature: 0 }
    const first = [user('The password of Ada is calm-moon. What is the password of Ada?')]
    const one = await text(chat, { prompt: first, generate })
    expect(one.cached).toBe(0)
    const again = await text(chat, { prompt: first, generate })
    expect(again).toMatchObject({ cached: one.prompt, said: one.said })
    const second = [...first, { role: 'assistant', content: one.said } as const, user('Thanks. And again?')]
    const next = await text(chat, { prompt: second, generate })
    expect(next.cached).toBeGreaterThanOrEqual(one.prompt)
    const fresh = await text(new Chat(model), { prompt: second, generate })
    expect(next.said).toBe(fresh.said)
    expect(chat.prefixStats).toMatchObject({ hits: 2, misses: 1, evictions: 0 })
    // Another spec shares nothing with them, and neither does who did not ask for it.
    const other = await text(chat, {
      prompt: second,
      generate,
      compression: { quantize: 'int8' } as never,
    }).catch(() => undefined)
    expect(other?.cached ?? 0).toBe(0)
    expect((await text(chat, { prompt: second, generate, reuse: false })).cached).toBe(0)
    await chat.dispose()
    expect(chat.prefixStats).toMatchObject({ bytes: 0, contexts: 0 })
  })

  it('serve another question about the same text by the tokens that both begin with', async () => {
    const chat = new Chat(model, { prefixBytes: 64e6 })
    const generate = { maxTokens: 12, temperature: 0 }
    const about = (question: string) => [
      user(`The password of Ada is calm-moon. The password of Ben is loud-sea. ${question}`),
    ]
    const one = await text(chat, { prompt: about('What is the password of Ada?'), generate })
    const two = await text(chat, { prompt: about('What is the password of Ben?'), generate })
    expect(two.cached).toBeGreaterThan(16)
    expect(two.cached).toBeLessThan(one.prompt)
    const fresh = await text(new Chat(model), { prompt: about('What is the password of Ben?'), generate })
    expect(two.said).toBe(fresh.said)
    // The first one is still there as it was; too little in common is nothing.
    const again = await text(chat, { prompt: about('What is the password of Ada?'), generate })
    expect(again).toMatchObject({ cached: one.prompt, said: one.said })
    expect((await text(chat, { prompt: 'Hello', generate })).cached).toBe(0)
    expect(chat.prefixStats).toMatchObject({ hits: 2, misses: 2 })
    await chat.dispose()
  })

  it('serve as a whole only where prompts are compressed', async () => {
    const generate = { maxTokens: 4, temperature: 0 }
    const facts = 'The password of Ada is calm-moon. The password of Ben is loud-sea. What is the password of'
    // The second spec drops nothing of so short a text, but it may of what else begins like it.
    for (const compression of ['none+kivi:bits=4', 'snapkv+none@512t']) {
      const chat = new Chat(model, { prefixBytes: 64e6, compression })
      await text(chat, { prompt: [user(`${facts} Ada?`)], generate })
      expect((await text(chat, { prompt: [user(`${facts} Ben?`)], generate })).cached).toBe(0)
      await chat.dispose()
    }
  })

  it('keep within their bytes', async () => {
    const probe = await model.prefill([user('Nothing.')])
    const chat = new Chat(model, { prefixBytes: probe.bytes * 3 })
    await probe.dispose()
    for (const word of ['One', 'Two', 'Three', 'Four', 'Five'])
      await text(chat, { prompt: [user(`${word}.`)], generate: { maxTokens: 2 } })
    const { bytes, contexts, evictions } = chat.prefixStats
    expect(contexts).toBeGreaterThan(0)
    expect(evictions).toBeGreaterThan(0)
    expect(bytes).toBeLessThanOrEqual(chat.prefixStats.bytes)
    await chat.dispose()
  })
})

describe('a chat with little memory', () => {
  const whenFull = 'keydiff:last=16+kivi:bits=4,recent=16@25%'
  const prompts = ['ant', 'bee', 'cow', 'dog'].map((word) => [user(`${`${word} `.repeat(700)}What is it?`)])
  const generate = { maxTokens: 4, temperature: 0 }

  /** Room for the prompt in work and about one and a half idle ones beside it. */
  async function small(): Promise<Model> {
    const context = await model.prefill(prompts[0]!)
    const { prefillPeak } = model.estimate(context.tokens)
    // With the 512 later tokens that each is granted.
    const each = context.bytes * (1 + (512 / context.tokens) * (9 / 8))
    const memoryLimit = model.weightBytes + prefillPeak + Math.ceil(2.4 * each)
    await context.dispose()
    return loadModel(modelFolder, { threads: 1, methods: registry, memoryLimit })
  }

  it('compresses idle contexts in place, in whole requests, and still goes on from them', async () => {
    await using tight = await small()
    const chat = new Chat(tight, { prefixBytes: 1e9, whenFull })
    const said = []
    for (const prompt of prompts) said.push(await text(chat, { prompt, generate }))
    expect(tight.stats().compressedInPlace).toBeGreaterThan(0)
    expect(chat.prefixStats).toMatchObject({ misses: 4, evictions: 0 })
    const again = await text(chat, {
      prompt: [...prompts[0]!, { role: 'assistant', content: said[0]!.said } as const, user('Sure?')],
      generate,
    })
    expect(again.cached).toBeGreaterThan(600)
    expect(again.said).not.toBe('')
    await chat.dispose()
    expect(tight.stats().bytes.granted).toBeLessThan(tight.estimate(1000).prefillPeak)
  })

  it('refuses a spec that needs the prompt again with the first request', async () => {
    const chat = new Chat(model, { whenFull: 'snapkv+none@25%' })
    await expect(text(chat, { prompt: prompts[0]!, generate })).rejects.toMatchObject({
      code: 'KV_UNSUPPORTED',
    })
    await chat.dispose()
  })
})

describe('prefixes in a folder', () => {
  const generate = { maxTokens: 12, temperature: 0 }
  const folders: string[] = []
  const newFolder = () => {
    folders.push(mkdtempSync(join(tmpdir(), 'qpkv-prefixes-')))
    return folders.at(-1) as string
  }
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true })
  })

  it('serve a later process with the tokens that a prefill would give, and no prefill', async () => {
    const prefixFolder = newFolder()
    const prompt = [user('The password of Ada is calm-moon. What is the password of Ada?')]
    for (const compression of [{}, 'none+int8']) {
      const first = new Chat(model, { compression, prefixBytes: 64e6, prefixFolder })
      const one = await text(first, { prompt, generate })
      await first.dispose()
      const second = new Chat(model, { compression, prefixBytes: 64e6, prefixFolder })
      const before = model.stats().tokens.prompt
      const again = await text(second, { prompt, generate })
      expect(again).toMatchObject({ cached: one.prompt, said: one.said })
      expect(model.stats().tokens.prompt).toBe(before)
      const turn = [...prompt, { role: 'assistant', content: one.said } as const, user('Thanks. And again?')]
      const next = await text(second, { prompt: turn, generate })
      expect(next.cached).toBeGreaterThanOrEqual(one.prompt)
      expect(next.said).toBe((await text(new Chat(model, { compression }), { prompt: turn, generate })).said)
      expect(second.prefixStats).toMatchObject({ hits: 2, misses: 0 })
      expect(second.prefixStats.opened).toBeGreaterThanOrEqual(1)
      await second.dispose()
    }
    // Another spec shares nothing with them.
    const other = new Chat(model, { compression: 'none+kivi:bits=4', prefixFolder })
    expect((await text(other, { prompt, generate })).cached).toBe(0)
    await other.dispose()
  })

  it('keep within their bytes, also without room in memory, and leave out what is damaged', async () => {
    const prefixFolder = newFolder()
    const sizes = () => readdirSync(prefixFolder).map((name) => statSync(join(prefixFolder, name)).size)
    const few = { generate: { maxTokens: 2 } }
    const one = new Chat(model, { prefixFolder })
    await text(one, { prompt: [user('One.')], ...few })
    const [size = 0] = sizes()
    expect(size).toBeGreaterThan(1000)
    const chat = new Chat(model, { prefixFolder, prefixFileBytes: 3.5 * size })
    for (const word of ['Two', 'Three', 'Four', 'Five'])
      await text(chat, { prompt: [user(`${word}.`)], ...few })
    expect(sizes().reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(3.5 * size)
    expect(chat.prefixStats.evictions).toBeGreaterThan(0)
    expect(chat.prefixStats.bytes).toBe(0)
    for (const name of readdirSync(prefixFolder)) truncateSync(join(prefixFolder, name), 500)
    expect((await text(chat, { prompt: [user('Five.')], ...few })).cached).toBe(0)
    await chat.dispose()
    await one.dispose()
  })
})

it('several replies come from one prompt, and leaving one ends it', async () => {
  const chat = new Chat(model)
  const generate = { maxTokens: 8, temperature: 1, seed: 3 }
  const opened = await chat.open({ prompt: 'The boat is', choices: 3, generate })
  const read = async (reply: (typeof opened.replies)[number]) => {
    let said = ''
    for await (const event of reply) if (event.type === 'text') said += event.text
    return said
  }
  const said = await Promise.all(opened.replies.map(read))
  expect(new Set(said).size).toBeGreaterThan(1)
  await opened.dispose()
  const left = await chat.open({ prompt: 'The boat is', generate: { maxTokens: 1000, stopTokens: [] } })
  for await (const _ of left.replies[0]!) break
  await left.dispose()
  expect(model.stats().queue.contexts).toBe(0)
  await chat.dispose()
})
