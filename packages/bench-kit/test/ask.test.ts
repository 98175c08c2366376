import { KvError, parseSpec, type CompressionSpec } from '@qpkv/spec'
import { describe, expect, it } from 'vitest'
import { encodePrompt, prefillRows, replyOf, type BenchContext, type BenchTokenizer } from '../src/index.ts'

/** One token per character; 1 is begin of text. */
const tokenizer: BenchTokenizer = {
  encode: (text, { special = true } = {}) => [
    ...(special ? [1] : []),
    ...Array.from(text, (char) => char.charCodeAt(0)),
  ],
  decode: (ids) => String.fromCharCode(...ids.filter((id) => id !== 1)),
  idOf: () => undefined,
  specialTokens: {},
}
const template = (trims: boolean) => ({
  render: async ([turn]: readonly { readonly content: string }[]) =>
    `<user>${trims ? turn?.content.trim() : turn?.content}</user><reply>`,
})
const text = (ids: readonly number[]) => tokenizer.decode(ids)

describe('a prompt', () => {
  const parts = {
    content: '  text\nwhat?  ',
    contextEnd: 6,
    answerPrefix: 'It is',
    chat: true,
    special: true,
  }

  it('goes through the template; the window ends with the user text', async () => {
    const model = { tokenizer, chatTemplate: template(true) }
    const { ids, userEnd, rest } = await encodePrompt(model, parts, 'query-aware')
    expect(text(ids)).toBe('<user>text\nwhat?</user><reply>It is')
    expect(text(ids.slice(0, userEnd))).toBe('<user>text\nwhat?')
    expect(ids[0]).not.toBe(1)
    expect(rest).toBe('')
  })

  it.each([true, false])('is cut after the context, with a template that trims: %s', async (trims) => {
    const model = { tokenizer, chatTemplate: template(trims) }
    const { ids, rest, userEnd } = await encodePrompt(model, parts, 'query-agnostic')
    expect(text(ids).endsWith('text')).toBe(true)
    expect(rest.startsWith('\nwhat?')).toBe(true)
    expect(rest.endsWith('</user><reply>It is')).toBe(true)
    expect(userEnd).toBeUndefined()
  })

  it('stays raw, with one begin of text, without a template', async () => {
    const model = { tokenizer, chatTemplate: undefined }
    const raw = { ...parts, chat: false }
    const { ids, rest } = await encodePrompt(model, raw, 'query-agnostic')
    expect([ids[0], text(ids), rest]).toEqual([1, '  text', '\nwhat?  It is'])
    await expect(encodePrompt(model, parts, 'query-aware')).rejects.toThrow(/needs a chat template/)
    const unknown = { ...raw, contextEnd: null }
    await expect(encodePrompt(model, unknown, 'query-agnostic')).rejects.toThrow(/cannot be told apart/)
    const changes = { tokenizer, chatTemplate: { render: async () => 'nothing of it' } }
    await expect(encodePrompt(changes, parts, 'query-aware')).rejects.toThrow(/changes the user's text/)
  })
})

describe('a reply', () => {
  const context = (logits: readonly number[], fed: (number | string)[]): BenchContext => ({
    get report(): never {
      throw new Error('not asked for')
    },
    append: async (input) => {
      fed.push(...(typeof input === 'string' ? [input] : input))
    },
    logits: async () => Float32Array.from(logits),
    appendLogits: async () => new Float32Array(0),
    generate: ({ maxTokens }) => ({ result: Promise.resolve({ text: `+${maxTokens}` }) }),
    fork: () => context(logits, fed),
    dispose: async () => undefined,
  })
  const signal = new AbortController().signal

  it('may not end at its first token under min length', async () => {
    const rule = { maxTokens: 5, stopTokens: [2], minTokens: 1 } as const
    const logits = Array.from({ length: 70 }, (_, i) => (i === 2 ? 9 : i === 65 ? 5 : 0))
    const fed: (number | string)[] = []
    expect(await replyOf(context(logits, fed), rule, tokenizer, signal)).toBe('A+4')
    expect(fed).toEqual([65])
    expect(await replyOf(context(logits, fed), { ...rule, maxTokens: 1 }, tokenizer, signal)).toBe('A')
    expect(await replyOf(context(logits, fed), { ...rule, minTokens: 0 }, tokenizer, signal)).toBe('+5')
    const other = logits.map((value, i) => (i === 65 ? 10 : value))
    expect(await replyOf(context(other, fed), rule, tokenizer, signal)).toBe('+5')
  })
})

describe('a prefill for many rows', () => {
  const row = (label: string) => ({ label, spec: parseSpec(label) })
  const rows = [row('none+none'), row('snapkv+none@1t'), row('none+int8')]
  const tooSmall = new KvError('KV_BUDGET_TOO_SMALL', 'Too small.')
  const bad = ({ budget }: CompressionSpec) => budget !== undefined
  const resolve = (spec: CompressionSpec) => {
    if (bad(spec)) throw tooSmall
  }
  const calls: number[] = []
  const prefill = async (specs: readonly CompressionSpec[]) => {
    calls.push(specs.length)
    if (specs.some(bad)) throw tooSmall
    return specs.map((_, i) => ({ context: i }))
  }

  it('sets aside the spec that cannot be resolved, in one prefill', async () => {
    calls.length = 0
    expect(await prefillRows(rows, prefill, resolve)).toEqual([
      { context: 0 },
      { error: tooSmall },
      { context: 1 },
    ])
    expect(calls).toEqual([2])
  })

  it('finds the spec at fault where only the prefill knows, and the others have their contexts', async () => {
    calls.length = 0
    const contexts = await prefillRows(rows, prefill, () => undefined)
    expect(contexts).toEqual([{ context: 0 }, { error: tooSmall }, { context: 0 }])
    expect(calls).toEqual([3, 1, 1, 1])
  })

  it('gives every spec its error where all fail, and throws cancellation', async () => {
    const memory = new KvError('KV_MEMORY', 'Full.')
    const full = async () => Promise.reject(memory)
    const failures = await prefillRows(rows, full, () => undefined)
    expect(failures).toEqual(rows.map(() => ({ error: memory })))
    const aborted = new KvError('KV_ABORTED', 'Cancelled.')
    await expect(prefillRows(rows, async () => Promise.reject(aborted), resolve)).rejects.toBe(aborted)
  })
})
