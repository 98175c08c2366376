import { FallbackByteText, LossyByteText, RunByteText, type ByteText } from './byte-text.ts'
import { byteCharacters } from './normalizers.ts'
import { readPattern } from './pattern.ts'
import { wrong, type Part } from './part.ts'

/** Text of tokens that come one by one. */
export interface TextStream<Token> {
  /** The text that this token completes; empty while a character is incomplete. */
  push(token: Token): string
  /** What is left, complete or not. */
  flush(): string
}

/** Texts of tokens to the text of all. */
export interface Decoder {
  decode(tokens: readonly string[]): string
  /** `first`: no text stands before. */
  stream(first: boolean): TextStream<string>
}

/** What a token adds: text, or bytes that others complete. */
type Chunk = string | readonly number[]

/** A decoder taken apart: what it does to each token, and to the text of all. */
interface Stages {
  readonly token: ((chunk: Chunk, first: boolean) => Chunk)[]
  readonly text: ((text: string) => string)[]
  /** Characters that are dropped at the beginning of all. */
  strip: { readonly content: string; readonly count: number }
  /** Stands between two tokens instead of this suffix of the first. */
  suffix: string
  /** Bytes of a run stand for themselves alone. */
  fallback: boolean
  fused: boolean
}

/** @throws KV_TOKENIZER for types and fields that are not obeyed. */
export function readDecoder(part: Part | undefined): Decoder {
  const stages: Stages = {
    token: [],
    text: [],
    strip: { content: '', count: 0 },
    suffix: '',
    fallback: false,
    fused: false,
  }
  if (part) addStages(stages, part)
  else stages.token.push((chunk, first) => (first ? chunk : ` ${String(chunk)}`))
  const open = (first: boolean, bytes: ByteText) => new ChunkStream(stages, first, bytes)
  return {
    decode(tokens) {
      const stream = open(true, stages.fallback ? new RunByteText() : new LossyByteText())
      return tokens.map((token) => stream.push(token)).join('') + stream.flush()
    },
    stream: (first) => open(first, stages.fallback ? new FallbackByteText() : new LossyByteText()),
  }
}

class ChunkStream implements TextStream<string> {
  private readonly stages: Stages
  private readonly bytes: ByteText
  private first: boolean
  private toStrip: number
  private between = ''

  constructor(stages: Stages, first: boolean, bytes: ByteText) {
    this.stages = stages
    this.bytes = bytes
    this.first = first
    this.toStrip = first ? stages.strip.count : 0
  }

  push(token: string): string {
    const { token: steps, suffix } = this.stages
    let chunk: Chunk = token
    let before = this.between
    this.between = ''
    if (suffix !== '' && token.includes(suffix)) {
      // A suffix inside becomes a space at once; one at the end only if another token follows.
      const parts = token.split(suffix)
      if (parts.at(-1) === '') {
        parts.pop()
        this.between = ' '
      }
      chunk = parts.join(' ')
    }
    for (const step of steps) chunk = step(chunk, this.first)
    this.first = false
    if (typeof chunk !== 'string') return this.finish(before + this.bytes.push(chunk))
    before += this.bytes.end()
    return this.finish(before + chunk)
  }

  flush(): string {
    this.between = ''
    return this.finish(this.bytes.end())
  }

  private finish(given: string): string {
    let text = given
    while (this.toStrip > 0 && text !== '') {
      if (!text.startsWith(this.stages.strip.content)) this.toStrip = 0
      else {
        text = text.slice(this.stages.strip.content.length)
        this.toStrip--
      }
    }
    return this.stages.text.reduce((done, step) => step(done), text)
  }
}

function addStages(stages: Stages, part: Part): void {
  const add = decoders[part.type]
  if (!add) throw part.unknown()
  add(stages, part)
  part.done(undefined)
}

const decoders: Readonly<Record<string, (stages: Stages, part: Part) => void>> = {
  Sequence(stages, part) {
    for (const inner of part.parts('decoders')) addStages(stages, inner)
  },
  ByteLevel({ token }, part) {
    for (const name of ['add_prefix_space', 'trim_offsets', 'use_regex']) part.raw(name) // about encoding
    token.push((chunk) => (typeof chunk === 'string' ? bytesOfToken(chunk) : chunk))
  },
  ByteFallback(stages) {
    stages.fallback = true
    stages.token.push((chunk) => {
      const byte = typeof chunk === 'string' ? /^<0x([0-9A-Fa-f]{2})>$/.exec(chunk)?.[1] : undefined
      return byte === undefined ? chunk : [Number.parseInt(byte, 16)]
    })
  },
  Fuse(stages) {
    stages.fused = true
  },
  Replace(stages, part) {
    const [pattern, content] = [readPattern(part), part.text('content')]
    const replace = (text: string) => text.replace(pattern, () => content)
    // A pattern that sees the whole text could match what comes in two pieces.
    if (stages.fused && !/^\\?[^]$/u.test(pattern.source)) throw part.unknown()
    if (stages.fused) stages.text.push(replace)
    else stages.token.push(onText(replace))
  },
  Strip(stages, part) {
    const content = part.text('content', ' ')
    const [start, stop] = [part.count('start', 0), part.count('stop', 0)]
    if (stages.fused && stop > 0) throw part.unknown()
    if (stages.fused) stages.strip = { content, count: start }
    else stages.token.push(onText((text) => stripEnds(text, content, start, stop)))
  },
  Metaspace({ token }, part) {
    const mark = part.text('replacement', '▁')
    const prefixed = part.flag('add_prefix_space', true)
    const scheme = part.choice('prepend_scheme', ['always', 'first', 'never'], prefixed ? 'always' : 'never')
    for (const name of ['split', 'str_rep']) part.raw(name)
    token.push(onText((text, first) => text.replaceAll(mark, first && scheme !== 'never' ? '' : ' ')))
  },
  WordPiece({ token }, part) {
    const prefix = part.text('prefix', '##')
    const clean = part.flag('cleanup', true)
    token.push(
      onText((text, first) => {
        const joined = first ? text : text.startsWith(prefix) ? text.slice(prefix.length) : ` ${text}`
        return clean ? cleanUp(joined) : joined
      }),
    )
  },
  BPEDecoder(stages, part) {
    const suffix = part.text('suffix', '</w>')
    if (stages.token.length > 0 || suffix === '') throw wrong('a suffix', `suffix in ${part.path}`, suffix)
    stages.suffix = suffix
  },
}

const onText =
  (change: (text: string, first: boolean) => string) =>
  (chunk: Chunk, first: boolean): Chunk =>
    typeof chunk === 'string' ? change(chunk, first) : chunk

const byteOf = new Map(byteCharacters.map((character, byte) => [character, byte]))
const encoder = new TextEncoder()

/** A token with other characters than those of bytes, such as an added one, stands for itself. */
function bytesOfToken(token: string): readonly number[] {
  const bytes: number[] = []
  for (const character of token) {
    const byte = byteOf.get(character)
    if (byte === undefined) return [...encoder.encode(token)]
    bytes.push(byte)
  }
  return bytes
}

function stripEnds(text: string, content: string, start: number, stop: number): string {
  let [from, to] = [0, text.length]
  for (let i = 0; i < start && text.startsWith(content, from); i++) from += content.length
  for (let i = 0; i < stop && to > from && text.slice(0, to).endsWith(content); i++) to -= content.length
  return text.slice(from, to)
}

const cleaned: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [' do not', " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
]
const cleanUp = (text: string) => cleaned.reduce((done, [from, to]) => done.replaceAll(from, to), text)
