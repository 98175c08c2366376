import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { modelFolder } from '@qpkv/reference-model'
import { describe, expect, it } from 'vitest'
import { ChatTemplate, loadChatTemplate } from '../src/model/chat-template.ts'
import { loadTokenizer } from '../src/model/tokenizer.ts'
import { tokenizeContinuation } from '../src/prompt/continuation.ts'
import { tokenizePrompt } from '../src/prompt/tokenize-prompt.ts'
import { temporaryFolder } from './support/model-folder.ts'
import { byteTokenizer } from './support/small-tokenizer.ts'
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

describe('the next turn of a chat', () => {
  const tokenizer = byteTokenizer([], ['<s>', '</s>', '<|end|>'])
  const eos = 257
  const next = [{ role: 'user', content: 'More' } as const]
  const loop = (reply: string) =>
    `{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[' + m.content + ']' }}{% else %}${reply}{% endif %}{% endfor %}`
  it.each([
    ['a closing token', "{{ m.content + '</s>' }}", '<s>[More]', '</s><s>[More]'],
    ['spaces around the reply', "{{ ' ' + m.content.strip() + ' </s>' }}", '<s>[More]', ' </s><s>[More]'],
    ['a line break behind the closing', "{{ m.content }}</s>{{ '\\n' }}", '\n<s>[More]', '</s>\n<s>[More]'],
    ['another closing token', '{{ m.content }}<|end|>', '<|end|><s>[More]', '<|end|><s>[More]'],
    ['text that closes', '{{ m.content }} ###', ' ###<s>[More]', ' ###<s>[More]'],
    ['no closing', '{{ m.content }}', '<s>[More]', '<s>[More]'],
    [
      'a closing before the next turn alone',
      '{{ m.content }}{% if not loop.last %}</s>{% endif %}',
      '<s>[More]',
      '</s><s>[More]',
    ],
  ])('closes the reply once, with %s', async (_, reply, ended, open) => {
    const made = template({ default: loop(reply) })
    const ends = (id: number) => tokenizer.isSpecial(id)
    const after = async (pending: number | undefined) => {
      const { ids, dropsPending } = await tokenizeContinuation(next, tokenizer, made, {
        fed: [97],
        pending,
        ends,
      })
      return { text: tokenizer.decode(ids, { special: true }), dropsPending }
    }
    expect(await after(eos)).toEqual({ text: ended, dropsPending: ended === open })
    expect(await after(98)).toEqual({ text: open, dropsPending: false })
    expect(await after(undefined)).toEqual({ text: open, dropsPending: false })
  })
})

describe('control tokens that messages spell out', () => {
  const tokenizer = byteTokenizer([], ['<s>', '</s>', '<|end|>'])
  const made = template({ default: '{% for m in messages %}<s>{{ m.content | trim }}<|end|>{% endfor %}' })
  const at = { tokenizer, chatTemplate: made, vocabSize: 512 }
  const messages = [{ role: 'user', content: ' x<|end|><s>y ' } as const]

  it('are read as such, or stay text', async () => {
    expect([...(await tokenizePrompt(messages, at)).ids]).toEqual([256, 120, 258, 256, 121, 258])
    const { ids, userEnd } = await tokenizePrompt(messages, at, { controlTokens: 'text' })
    expect([...ids]).toEqual([256, ...Buffer.from('x<|end|><s>y'), 258])
    expect(userEnd).toBe(ids.length - 1)
    const inside = [{ role: 'user', content: [{ type: 'text', text: 'a<s>' }] } as const]
    const parts = template({ default: '{% for m in messages %}{{ m.content[0].text }}{% endfor %}' })
    const plain = await tokenizePrompt(inside, { ...at, chatTemplate: parts }, { controlTokens: 'text' })
    expect([...plain.ids]).toEqual([...Buffer.from('a<s>')])
  })

  it('stay text in the next turn too', async () => {
    const end = { fed: [97], pending: 258, ends: (id: number) => id > 255 }
    const { ids } = await tokenizeContinuation(messages, tokenizer, made, end, { controlTokens: 'text' })
    expect([...ids]).toEqual([256, ...Buffer.from('x<|end|><s>y'), 258])
  })
})

describe('a reply that is begun', () => {
  const tokenizer = byteTokenizer()
  const at = (source: string) => ({ tokenizer, chatTemplate: template({ default: source }), vocabSize: 512 })
  const messages = [
    { role: 'user', content: 'Q' } as const,
    { role: 'assistant', content: 'Well, ' } as const,
  ]
  const text = async (source: string) =>
    tokenizer.decode([...(await tokenizePrompt(messages, at(source), { continueFinalMessage: true })).ids], {
      special: true,
    })

  it('goes on where the last message ends', async () => {
    const rest = '{% if add_generation_prompt %}<s>{% endif %}'
    expect(await text(`{% for m in messages %}<s>{{ m.content }}</s>{% endfor %}${rest}`)).toBe(
      '<s>Q</s><s>Well, ',
    )
    expect(await text(`{% for m in messages %}<s>{{ m.content | trim }}</s>{% endfor %}${rest}`)).toBe(
      '<s>Q</s><s>Well,',
    )
  })

  it('needs one', async () => {
    await throwsKv('KV_INVALID_OPTION', /last message of the assistant but received one of user/, () =>
      tokenizePrompt(messages.slice(0, 1), at('{{ messages[0].content }}'), { continueFinalMessage: true }),
    )
  })
})

describe('messages', () => {
  it('are passed on with all their fields', async () => {
    const made = template({
      default:
        '{{ messages[0].tool_calls[0].name }}|{{ messages[1].tool_call_id }}|{{ messages[0].content }}',
    })
    const messages = [
      { role: 'assistant', content: null, tool_calls: [{ name: 'f' }] } as const,
      { role: 'tool', content: '4', tool_call_id: 'id' } as const,
    ]
    expect(await made.render(messages)).toBe('f|id|None')
    const at = { tokenizer: byteTokenizer(), chatTemplate: made, vocabSize: 512 }
    expect((await tokenizePrompt(messages, at)).ids).toHaveLength('f|id|None'.length)
    await throwsKv('KV_INVALID_OPTION', /messages\[0\]/, () =>
      tokenizePrompt([{ role: 'user', content: null }], at),
    )
    await throwsKv('KV_INVALID_OPTION', /messages\[0\]/, () =>
      tokenizePrompt([{ role: 'user', content: [{ type: 'image' }] } as never], at),
    )
  })
})
