import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { modelFolder } from '@qpkv/reference-model'
import { describe, expect, it } from 'vitest'
import { ChatTemplate, loadChatTemplate } from '../src/model/chat-template.ts'
import { loadTokenizer } from '../src/model/tokenizer.ts'
import { tokenizeContinuation } from '../src/prompt/continuation.ts'
import { tokenizePrompt } from '../src/prompt/tokenize-prompt.ts'
import { temporaryFolder } from './support/model-folder.ts'
import { throwsKv } from './support/throws.ts'

const template = (sources: Record<string, string>, timeoutMs?: number) =>
  new ChatTemplate(
    new Map(Object.entries(sources)),
    { bos_token: '<s>' },
    timeoutMs === undefined ? {} : { timeoutMs },
  )

const folderWith = (files: Record<string, string>) => {
  const folder = temporaryFolder(files)
  cpSync(join(modelFolder, 'tokenizer.json'), join(folder, 'tokenizer.json'))
  return folder
}

async function readers(folder = modelFolder) {
  const tokenizer = await loadTokenizer(folder)
  const chatTemplate = tokenizer && (await loadChatTemplate(folder, tokenizer))
  return { tokenizer, chatTemplate, vocabSize: 3712 }
}

const loop = '{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}'

describe('a chat template', () => {
  it('renders messages with special tokens and further variables', async () => {
    const made = template({ default: `${loop}{% if add_generation_prompt %}[reply{{ mood }}]{% endif %}` })
    const messages = [{ role: 'user', content: 'Hi {{ 1 + 1 }}' } as const]
    expect(await made.render(messages)).toBe('<s>[user]Hi {{ 1 + 1 }}[reply]')
    expect(await made.render(messages, { addGenerationPrompt: false })).toBe('<s>[user]Hi {{ 1 + 1 }}')
    expect(await made.render(messages, { variables: { mood: '!' } })).toBe('<s>[user]Hi {{ 1 + 1 }}[reply!]')
  })

  it('is found by name, in tokenizer_config.json or in its own file', async () => {
    const list = JSON.stringify({
      chat_template: [
        { name: 'default', template: 'D' },
        { name: 'tool', template: 'T' },
      ],
    })
    const named = await readers(folderWith({ 'tokenizer_config.json': list }))
    expect(await named.chatTemplate?.render([], { template: 'tool' })).toBe('T')
    await throwsKv('KV_TOKENIZER', /named default or tool but received x/, () =>
      named.chatTemplate?.render([], { template: 'x' }),
    )
    const own = await readers(folderWith({ 'tokenizer_config.json': list, 'chat_template.jinja': 'F' }))
    expect(await own.chatTemplate?.render([])).toBe('F')
    expect((await readers(folderWith({}))).chatTemplate).toBeUndefined()
  })

  it('that fails says why', async () => {
    await throwsKv('KV_TOKENIZER', /roles must alternate/, () =>
      template({ default: "{{ raise_exception('roles must alternate') }}" }).render([]),
    )
    await throwsKv('KV_TOKENIZER', /template failed/, () => template({ default: '{% if %}' }).render([]))
  })

  it('that does not end is ended, and the next one works', async () => {
    const endless = '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}'
    const made = template({ default: loop, endless }, 300)
    const started = Date.now()
    await throwsKv('KV_TOKENIZER', /took longer than 0.3 s/, () => made.render([], { template: 'endless' }))
    expect(Date.now() - started).toBeLessThan(5000)
    expect(await made.render([])).toBe('<s>')
  })

  it('is ended after a second unless told otherwise', async () => {
    const endless = '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}'
    const started = Date.now()
    await throwsKv('KV_TOKENIZER', /took longer than 1 s and was ended/, () =>
      template({ default: endless }).render([]),
    )
    expect(Date.now() - started).toBeLessThan(5000)
  })

  it.each([
    '{{ range(100000000) }}',
    "{{ 'x' * 1000000000 }}",
    '{{ [1] * 1000000000 }}',
    "{% set ns = namespace(s='x') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    '{% set ns = namespace(s=[1]) %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}',
    "{{ 'x'.center(1000000000) }}",
    '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
    `{{ ${'('.repeat(50_000)}1${')'.repeat(50_000)} }}`,
    `{{ ${'-'.repeat(50_000)}1 }}`,
  ])('that asks for too much is ended, and the next one works: %.60s', async (hungry) => {
    const made = template({ default: loop, hungry }, 10_000)
    await throwsKv('KV_TOKENIZER', /template failed/, () => made.render([], { template: 'hungry' }))
    expect(await made.render([])).toBe('<s>')
  })

  it('sees no environment and no files', async () => {
    const made = template({ default: '{{ process }}{{ require }}{{ messages.constructor }}' })
    expect(await made.render([])).not.toMatch(/function|object/i)
  })
})

describe('prompts', () => {
  it('as messages know where the last user turn ends', async () => {
    const at = await readers()
    const text = await tokenizePrompt([{ role: 'user', content: ' The boat. \n' }], at)
    const ids = [...text.ids]
    expect(at.tokenizer?.decode(ids, { special: true })).toBe(
      '<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nThe boat.<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
    )
    expect(at.tokenizer?.decode(ids.slice(0, text.userEnd), { special: true })).toMatch(/The boat\.$/)
    expect(ids[text.userEnd ?? -1]).toBe(3701)
    const none = await tokenizePrompt([{ role: 'assistant', content: 'x' }], at)
    expect(none.userEnd).toBeUndefined()
  })

  it('as text begin with the special token once', async () => {
    const at = await readers()
    expect((await tokenizePrompt('The boat', at)).ids[0]).toBe(3697)
    expect((await tokenizePrompt('The boat', at, { special: false })).ids[0]).not.toBe(3697)
  })

  it('continue a conversation without repeating what closed the reply', async () => {
    const at = await readers()
    const messages = [{ role: 'user', content: 'Next?' } as const]
    const text = async (pending: number | undefined) => {
      const end = { fed: [], pending, ends: (id: number) => id > 3696 }
      const { ids, dropsPending } = await tokenizeContinuation(messages, at.tokenizer!, at.chatTemplate!, end)
      return { text: at.tokenizer?.decode(ids, { special: true }), dropsPending }
    }
    const next =
      '<|start_header_id|>user<|end_header_id|>\n\nNext?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n'
    expect(await text(3701)).toEqual({ text: next, dropsPending: false })
    const whole = `<|eot_id|>${next}`
    expect(await text(17)).toEqual({ text: whole, dropsPending: false })
    expect(await text(undefined)).toEqual({ text: whole, dropsPending: false })
    // The reply ended in another way than the template closes its turn.
    expect(await text(3698)).toEqual({ text: whole, dropsPending: true })
  })

  it('that cannot be read are refused', async () => {
    const at = await readers()
    await throwsKv('KV_INVALID_OPTION', /messages\[0\].*"robot"/, () =>
      tokenizePrompt([{ role: 'robot', content: 'x' } as never], at),
    )
    await throwsKv('KV_INVALID_OPTION', /from 0 to 3711 at position 1 but received 3712/, () =>
      tokenizePrompt([1, 3712], at),
    )
    await throwsKv('KV_INVALID_OPTION', /position 0 but received NaN/, () => tokenizePrompt([Number.NaN], at))
    await throwsKv('KV_INVALID_OPTION', /at least one token/, () => tokenizePrompt([], at))
    await throwsKv('KV_INVALID_OPTION', /received number/, () => tokenizePrompt(7 as never, at))
    await throwsKv('KV_INVALID_OPTION', /Int32Array.*received BigInt64Array[^]*Convert/, () =>
      tokenizePrompt(BigInt64Array.of(1n) as never, at),
    )
    await throwsKv('KV_INVALID_OPTION', /prompt is empty/, () => tokenizePrompt('', at, { special: false }))
    await throwsKv('KV_TOKENIZER', /token .* with the id \d+, but the model has 5 tokens/, () =>
      tokenizePrompt('Hello', { ...at, vocabSize: 5 }),
    )
    const bare = { tokenizer: undefined, chatTemplate: undefined, vocabSize: 9 }
    await throwsKv('KV_TOKENIZER', /no tokenizer.json[^]*token ids/, () => tokenizePrompt('x', bare))
    await throwsKv('KV_TOKENIZER', /no chat template/, () =>
      tokenizePrompt([{ role: 'user', content: 'x' }], { ...at, chatTemplate: undefined }),
    )
    expect((await tokenizePrompt(Int32Array.of(1, 2), bare)).ids).toEqual(Int32Array.of(1, 2))
  })
})
