import { describe, expect, it } from 'vitest'
import type { Tokenizer } from '../../src/model/tokenizer.ts'
import { byteTokenizer, letterTokenizer } from '../support/small-tokenizer.ts'

const write = (tokenizer: Tokenizer, ids: readonly number[], before: readonly number[] = []) => {
  const stream = tokenizer.stream(before)
  const out = ids.map((id) => stream.push(id))
  return { out, joined: out.join('') + stream.flush() }
}

describe('text that comes token by token', () => {
  it.each([
    ['뒤틀린', ['eb', '92', 'a4ed', '8b', '80', 'eba6b0'], ['', '', '뒤', '', '틀', '린']],
    ['뒤흔들', ['eb', '92', 'a4ed', '9d', '94', 'eb93a4'], ['', '', '뒤', '', '흔', '들']],
    ['漢字仮名', ['e6bc', 'a2e5', 'ad97e4', 'bbaee5', '908d'], ['', '漢', '字', '仮', '名']],
    ['é😀', ['c3', 'a9f09f', '98', '80'], ['', 'é', '', '😀']],
  ])('shows every character with its last byte: %s', (text, pieces, wanted) => {
    const own = [...new Set(pieces.filter((hex) => hex.length > 2))]
    const tokenizer = byteTokenizer(own)
    const ids = pieces.map((hex) => (hex.length === 2 ? Number.parseInt(hex, 16) : 256 + own.indexOf(hex)))
    expect(write(tokenizer, ids)).toEqual({ out: wanted, joined: text })
    expect(tokenizer.decode(ids)).toBe(text)
    // The same characters by the tokens of single bytes.
    const letters = letterTokenizer()
    const single = [...Buffer.from(text)].map((byte) => byte + 3)
    expect(write(letters, single, [letters.idOf('a') ?? 0]).joined).toBe(text)
  })

  it('goes on with the character that the tokens before left open', () => {
    const bytes = byteTokenizer()
    const [first, ...rest] = Buffer.from('뒤틀')
    expect(write(bytes, rest, [97, first ?? 0]).joined).toBe('뒤틀')
  })

  it('shows broken bytes, each once', () => {
    const [bytes, letters] = [byteTokenizer(), letterTokenizer()]
    expect(write(bytes, [0xf0, 0x9f]).joined).toBe('\uFFFD')
    expect(write(bytes, [0x61, 0xff, 0x62])).toEqual({ out: ['a', '\uFFFD', 'b'], joined: 'a\uFFFDb' })
    expect(write(bytes, [0xff, 0xff, 0x61]).joined).toBe('\uFFFD\uFFFDa')
    expect(write(letters, [0xe4 + 3, 0xbb + 3]).joined).toBe('\uFFFD\uFFFD')
    expect(write(letters, [0xe4 + 3, 0xe4 + 3, 0xbd + 3, 0xa0 + 3]).out.join('')).toBe('\uFFFD你')
    expect(letters.decode([0xe4 + 3, 0xbb + 3])).toBe('\uFFFD\uFFFD')
  })

  it('keeps a byte order mark, and drops the space in front only at the very beginning', () => {
    expect(write(byteTokenizer(), [...Buffer.from('\ufeffa')]).joined).toBe('\ufeffa')
    const letters = letterTokenizer()
    const ids = letters.encode('a b', { special: false })
    expect(write(letters, ids, [1]).joined).toBe('a b')
    expect(write(letters, ids, [1, ...ids]).joined).toBe(' a b')
  })

  it('leaves out special tokens', () => {
    expect(write(byteTokenizer(), [97, 257, 98]).joined).toBe('ab')
  })
})

describe('text that goes on where other tokens end', () => {
  const first = {
    pre_tokenizer: { type: 'Metaspace', prepend_scheme: 'first', split: false },
    normalizer: null,
  }
  const always = { pre_tokenizer: { type: 'Metaspace', prepend_scheme: 'always' }, normalizer: null }
  it.each([
    ['a normalizer', {}],
    ['Metaspace first', first],
    ['Metaspace always', always],
  ])('has no space of its own, with %s', (_, parts) => {
    const tokenizer = letterTokenizer(parts)
    for (const [a, b] of [
      ['Hel', 'lo'],
      ['Hello', ' world'],
      ['Hello', '.'],
      ['a ', ' b'],
      ['a</s>', 'b'],
    ] as const) {
      const before = tokenizer.encode(a)
      const after = tokenizer.encode(b, { special: false, after: before })
      expect({ a, b, ids: [...before, ...after] }).toEqual({ a, b, ids: tokenizer.encode(a + b) })
    }
    // Nothing is there but what stands in front of every text.
    expect([1, ...tokenizer.encode('a b', { special: false, after: [1] })]).toEqual(tokenizer.encode('a b'))
  })
})

describe('stretches of plain text', () => {
  it('hold no special token', () => {
    const tokenizer = byteTokenizer()
    const text = '<s>a<s>b'
    expect(tokenizer.encode(text, { special: false })).toEqual([256, 97, 256, 98])
    expect(tokenizer.encode(text, { special: false, plain: [[4, 7]] })).toEqual([
      256,
      97,
      ...Buffer.from('<s>b'),
    ])
  })
})

describe('a long text', () => {
  it.each([
    ['many words', byteTokenizer(), 'some words of a text, '],
    ['one word', letterTokenizer(), 'word'],
  ])('gives way to others while it is tokenized: %s', async (_, tokenizer, piece) => {
    const text = piece.repeat(Math.ceil(1_000_000 / piece.length))
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const ids = await tokenizer.encodeLong(text)
    clearInterval(timer)
    expect(turns).toBeGreaterThan(5)
    expect(ids).toEqual(tokenizer.encode(text))
  })
})
