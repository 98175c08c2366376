import { describe, expect, it } from 'vitest'
import { Detokenizer } from '../src/generate/detokenizer.ts'
import type { Tokenizer } from '../src/model/tokenizer.ts'

/** Tokens 0..255 are bytes; 256 is special and has no text; a leading space is dropped as sentencepiece decoders do. */
const bytes: Tokenizer = {
  encode: (text) => [...Buffer.from(text)],
  decode: (ids) =>
    Buffer.from(ids.filter((id) => id < 256))
      .toString('utf8')
      .replace(/^ /, ''),
  idOf: () => undefined,
  specialTokens: {},
  config: {},
}

const run = (text: string | number[], before: number[] = [256]) => {
  const detokenizer = new Detokenizer(bytes, before)
  const ids = typeof text === 'string' ? bytes.encode(text) : text
  const out = ids.map((id) => detokenizer.push(id))
  return { out, joined: out.join('') + detokenizer.flush() }
}

describe('the detokenizer', () => {
  it('waits for the rest of a character', () => {
    expect(run('aé€😀z').out).toEqual(['a', '', 'é', '', '', '€', '', '', '', '😀', 'z'])
  })

  it('keeps a space after the prompt, and not one at the very beginning', () => {
    expect(run(' a', [256, 97]).joined).toBe(' a')
    expect(run(' a', []).joined).toBe('a')
  })

  it('shows broken bytes in the end', () => {
    expect(run([0xf0, 0x9f]).joined).toBe('\uFFFD')
    expect(run([0x61, 0xff, 0x62]).joined).toBe('a\uFFFDb')
  })

  it('does not wait for ever after bytes that never become a character', () => {
    const { out, joined } = run([0xff, 0xff, 0xff, 0xff, 0xff, 0x61])
    expect(out.slice(0, 4).join('')).not.toBe('')
    expect(joined).toBe('\uFFFD'.repeat(5) + 'a')
  })

  it('joins to the decoded text for long mixed input, whatever the window', () => {
    const text =
      'Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. 漢字とかな 👩‍👩‍👧‍👦 — ok?\n'.repeat(20)
    expect(run(text).joined).toBe(text)
  })
})
