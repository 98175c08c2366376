import { setImmediate as nextTurn } from 'node:timers/promises'
import type { EncodeOptions, Tokenizer } from '../model/tokenizer.ts'
import { AddedTokenFinder, type AddedToken } from './added-tokens.ts'
import { readDecoder } from './decoders.ts'
import { readNormalizer, type Place } from './normalizers.ts'
import { Part } from './part.ts'
import { readPostProcessor } from './post-processor.ts'
import { readPreTokenizer } from './pre-tokenizers.ts'
import { joinSpecialTokens, type TokenFiles } from './special-tokens.ts'
import { readWordModel, type Steps } from './word-model.ts'

/** How long a long text is worked on before others get their turn. */
const SLICE_MS = 8
/** Tokens before that a stream looks at for an open character. */
const BEFORE_TOKENS = 8

/**
 * A tokenizer.json as the tokenizers library runs it: added tokens are found, the text between them is normalized, cut into words,
 * and each word becomes tokens.
 * @throws KV_TOKENIZER for whatever is not obeyed.
 */
export function readPipeline(
  definition: Readonly<Record<string, unknown>>,
  files: TokenFiles,
  path: string,
): Omit<Tokenizer, 'config'> {
  const part = (name: string) =>
    (definition[name] ?? undefined) === undefined
      ? undefined
      : new Part(definition[name], `${name} of ${path}`)
  const normalize = readNormalizer(part('normalizer'))
  const preTokenize = readPreTokenizer(part('pre_tokenizer'))
  const model = readWordModel(new Part(definition['model'], `model of ${path}`))
  const decoder = readDecoder(part('decoder'))
  const own = new Part(definition, path).list('added_tokens')
  const { added, named } = joinSpecialTokens(own, model.vocab, files, path)
  const ids = new Map([...model.vocab, ...added.map(({ content, id }): [string, number] => [content, id])])
  const texts = new Map([...ids].map(([token, id]) => [id, token]))
  // The library writes an added token as the text in which it is found.
  const written = new Map(texts)
  for (const { id, content, normalized: found } of added) {
    texts.set(id, content)
    written.set(id, found ? normalize(content, 'start') : content)
  }
  const addedIds = new Map(added.map((token) => [token.id, token]))
  const special = new Set(added.filter((token) => token.special).map(({ id }) => id))
  const around = readPostProcessor(part('post_processor'))
  const [raw, normalized] = [false, true].map(
    (kind) =>
      new AddedTokenFinder(
        added.filter((token) => token.normalized === kind),
        normalize,
      ),
  ) as [AddedTokenFinder, AddedTokenFinder]

  function* words(text: string, place: Place, out: number[]): Steps<void> {
    for (const piece of preTokenize({ text, place })) {
      for (const id of yield* model.encode(piece.text)) out.push(id)
      yield
    }
  }

  function* steps(text: string, options: EncodeOptions): Steps<number[]> {
    const { special: wrapped = true, after, plain = [] } = options
    const skip = (from: number, token: AddedToken) =>
      token.special && plain.some(([begin, end]) => from >= begin && from < end)
    const out: number[] = wrapped ? [...around.before] : []
    for (const { from, to, token } of raw.cut(text, skip)) {
      if (token) {
        out.push(token.id)
        continue
      }
      const place = from > 0 ? 'inside' : placeAfter(after)
      const section = normalize(text.slice(from, to), place)
      for (const inner of normalized.cut(section, () => false)) {
        if (inner.token) out.push(inner.token.id)
        else yield* words(section.slice(inner.from, inner.to), inner.from > 0 ? 'inside' : place, out)
      }
    }
    if (wrapped) out.push(...around.after)
    return out
  }

  /** A text after added tokens begins a section of its own; after nothing but what stands before every text, it is the first. */
  const placeAfter = (after: readonly number[] | undefined): Place => {
    const last = after?.at(-1)
    if (!after || last === undefined || after.join() === around.before.join()) return 'start'
    return addedIds.has(last) ? 'inside' : 'continued'
  }

  return {
    encode(text, options = {}) {
      const work = steps(text, options)
      for (;;) {
        const { done, value } = work.next()
        if (done) return value
      }
    },
    async encodeLong(text, options = {}) {
      const work = steps(text, options)
      let started = performance.now()
      for (;;) {
        const { done, value } = work.next()
        if (done) return value
        if (performance.now() - started > SLICE_MS) {
          await nextTurn()
          started = performance.now()
        }
      }
    },
    decode: (given, { special: shown = false } = {}) =>
      decoder.decode(given.filter((id) => shown || !special.has(id)).flatMap((id) => written.get(id) ?? [])),
    stream(before = []) {
      const visible = before.slice(-BEFORE_TOKENS).filter((id) => !special.has(id))
      const stream = decoder.stream(visible.length === 0)
      // What stands before is written already, up to the character that it may have left open.
      for (const id of visible) stream.push(written.get(id) ?? '')
      return {
        push: (id) => (special.has(id) ? '' : stream.push(written.get(id) ?? '')),
        flush: () => stream.flush(),
      }
    },
    idOf: (token) => ids.get(token),
    tokenOf: (id) => texts.get(id),
    isSpecial: (id) => special.has(id),
    addedTokens: added,
    specialTokens: named,
  }
}
