import { readPattern } from './pattern.ts'
import type { Part } from './part.ts'

/** How a span of text stands in the whole: a continued one follows text that is there already, and begins no word. */
export type Place = 'start' | 'continued' | 'inside'

/** Rewrites a text before it is cut. */
export type Normalize = (text: string, place: Place) => string

/** @throws KV_TOKENIZER for types and fields that are not obeyed. */
export function readNormalizer(part: Part | undefined): Normalize {
  if (!part) return (text) => text
  return part.done(normalizers[part.type]?.(part) ?? refuse(part))
}

function refuse(part: Part): never {
  throw part.unknown()
}

const normalizers: Readonly<Record<string, (part: Part) => Normalize>> = {
  Sequence: (part) => {
    const all = part.parts('normalizers').map(readNormalizer)
    return (text, place) => all.reduce((done, normalize) => normalize(done, place), text)
  },
  NFC: () => (text) => text.normalize('NFC'),
  NFD: () => (text) => text.normalize('NFD'),
  NFKC: () => (text) => text.normalize('NFKC'),
  NFKD: () => (text) => text.normalize('NFKD'),
  Lowercase: () => lowercase,
  StripAccents: () => (text) => text.replace(/\p{M}/gu, ''),
  Prepend: (part) => {
    const prefix = part.text('prepend')
    return (text, place) => (text === '' || place === 'continued' ? text : prefix + text)
  },
  Replace: (part) => {
    const [pattern, content] = [readPattern(part), part.text('content').replaceAll('$', '$$$$')]
    return (text) => text.replace(pattern, content)
  },
  Strip: (part) => {
    const [left, right] = [part.flag('strip_left', true), part.flag('strip_right', true)]
    return (text) =>
      (left ? text.replace(/^\p{White_Space}+/u, '') : text).replace(right ? /\p{White_Space}+$/u : '', '')
  },
  ByteLevel: () => toByteCharacters,
  BertNormalizer: (part) => {
    const clean = part.flag('clean_text', true)
    const chinese = part.flag('handle_chinese_chars', true)
    const lower = part.flag('lowercase', true)
    const accents = part.raw('strip_accents') === undefined ? lower : part.flag('strip_accents', lower)
    return (given) => {
      let text = clean ? cleanText(given) : given
      if (chinese) text = text.replace(CHINESE, ' $& ')
      if (accents) text = text.normalize('NFD').replace(/\p{Mn}/gu, '')
      return lower ? lowercase(text) : text
    }
  },
}

/** Each character for itself: no rule that looks at its neighbors, such as that of the Greek sigma at the end of a word. */
const lowercase = (text: string) => text.replace(/\P{Lowercase}/gu, (c) => c.toLowerCase())

const CHINESE =
  /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B920}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/gu

const cleanText = (text: string) =>
  text.replace(/[\0\uFFFD]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cn}]/gu, '').replace(/\p{White_Space}/gu, ' ')

/** The character that stands for each byte in byte-level vocabularies. */
export const byteCharacters: readonly string[] = (() => {
  const printable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++))
})()

const encoder = new TextEncoder()
const utf16 = new TextDecoder('utf-16le', { ignoreBOM: true })
const units = Uint16Array.from(byteCharacters, (character) => character.charCodeAt(0))
export const toByteCharacters = (text: string): string => {
  const written = Uint16Array.from(encoder.encode(text), (byte) => units[byte] ?? 0)
  return utf16.decode(written)
}
