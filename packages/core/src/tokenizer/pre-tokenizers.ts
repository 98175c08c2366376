import { toByteCharacters, type Place } from './normalizers.ts'
import type { Part } from './part.ts'
import { readPattern, split, splitBehaviors, type Pattern, type SplitBehavior } from './pattern.ts'

/** A span of normalized text. */
export interface Piece {
  readonly text: string
  readonly place: Place
}

/** Cuts a text into words, which are tokenized one by one. */
export type PreTokenize = (piece: Piece) => Iterable<Piece>

/** @throws KV_TOKENIZER for types and fields that are not obeyed. */
export function readPreTokenizer(part: Part | undefined): PreTokenize {
  if (!part) return (piece) => [piece]
  const read = preTokenizers[part.type]
  if (!read) throw part.unknown()
  return part.done(read(part))
}

const preTokenizers: Readonly<Record<string, (part: Part) => PreTokenize>> = {
  Sequence: (part) => {
    const all = part.parts('pretokenizers').map(readPreTokenizer)
    return (piece) => all.reduce<Iterable<Piece>>(through, [piece])
  },
  Split: (part) =>
    splitter(readPattern(part), part.choice('behavior', splitBehaviors), part.flag('invert', false)),
  ByteLevel: (part) => {
    const prefix = part.flag('add_prefix_space', true)
    const cut = part.flag('use_regex', true) ? splitter(GPT2, 'Isolated') : undefined
    part.raw('trim_offsets') // about offsets, which nobody asks for
    return function* (piece) {
      const text =
        prefix && piece.place !== 'continued' && !piece.text.startsWith(' ') ? ` ${piece.text}` : piece.text
      for (const word of cut ? cut({ ...piece, text }) : [{ ...piece, text }])
        yield { ...word, text: toByteCharacters(word.text) }
    }
  },
  Metaspace: readMetaspace,
  Digits: (part) => splitter(/\p{N}/gu, part.flag('individual_digits', false) ? 'Isolated' : 'Contiguous'),
  Punctuation: (part) => splitter(PUNCTUATION, part.choice('behavior', splitBehaviors, 'Isolated')),
  CharDelimiterSplit: (part) => splitter(new RegExp(`\\u{${code(part.text('delimiter'))}}`, 'gu'), 'Removed'),
  Whitespace: () =>
    splitter(
      /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200C\u200D]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200C\u200D\p{White_Space}]+/gu,
      'Removed',
      true,
    ),
  WhitespaceSplit: () => splitter(SPACE, 'Removed'),
  BertPreTokenizer: () => {
    const [spaces, marks] = [splitter(SPACE, 'Removed'), splitter(PUNCTUATION, 'Isolated')]
    return (piece) => through(spaces(piece), marks)
  },
  FixedLength: (part) => splitter(new RegExp(`[^]{1,${part.count('length', 5)}}`, 'gu'), 'Isolated'),
}

const GPT2 =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu
const SPACE = /\p{White_Space}/gu
const PUNCTUATION = /[\p{P}$+<=>^`|~]/gu

const code = (text: string) => (text.codePointAt(0) ?? 0).toString(16)

function* through(pieces: Iterable<Piece>, cut: PreTokenize): Generator<Piece, void, void> {
  for (const piece of pieces) yield* cut(piece)
}

/** Only what stands at the beginning of a piece keeps its place. */
const splitter = (pattern: Pattern, behavior: SplitBehavior, invert = false): PreTokenize =>
  function* ({ text, place }) {
    for (const { text: word, from } of split(text, pattern, behavior, invert))
      yield { text: word, place: from === 0 ? place : 'inside' }
  }

function readMetaspace(part: Part): PreTokenize {
  const mark = part.text('replacement', '▁')
  part.raw('str_rep')
  const prefixed = part.flag('add_prefix_space', true)
  const scheme = part.choice('prepend_scheme', ['always', 'first', 'never'], prefixed ? 'always' : 'never')
  const cut = part.flag('split', true)
    ? splitter(new RegExp(`\\u{${code(mark)}}`, 'gu'), 'MergedWithNext')
    : (piece: Piece) => [piece]
  return ({ text, place }) => {
    const marked = text.replaceAll(' ', mark)
    const begins = scheme === 'always' ? place !== 'continued' : scheme === 'first' && place === 'start'
    return cut({ text: begins && !marked.startsWith(mark) ? mark + marked : marked, place })
  }
}
