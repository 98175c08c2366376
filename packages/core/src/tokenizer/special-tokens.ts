import { isPlainObject } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { AddedToken } from './added-tokens.ts'
import { isId, Part, wrong } from './part.ts'

type Values = Readonly<Record<string, unknown>>

/** The files beside tokenizer.json that add tokens to it. */
export interface TokenFiles {
  /** tokenizer_config.json */
  readonly config: Values
  /** special_tokens_map.json */
  readonly specialTokensMap?: Values | undefined
  /** added_tokens.json: texts to ids */
  readonly addedTokens?: Values | undefined
}

/** The tokens that stand beside the vocabulary, from wherever Hugging Face files put them. */
export interface SpecialTokens {
  readonly added: readonly AddedToken[]
  /** `bos_token`, `eos_token`, ... */
  readonly named: Readonly<Record<string, string>>
}

/**
 * Joins the added tokens of tokenizer.json with those of its neighbors as the transformers library does: `added_tokens_decoder` of
 * tokenizer_config.json, or, where that is missing, special_tokens_map.json and added_tokens.json; then the named
 * tokens (`eos_token`, ...) and the further special ones. What has no id yet gets the next free one.
 */
export function joinSpecialTokens(
  own: readonly unknown[],
  vocab: ReadonlyMap<string, number>,
  { config, specialTokensMap, addedTokens }: TokenFiles,
  path: string,
): SpecialTokens {
  const tokens = new Map<string, AddedToken>()
  const taken = new Map<number, string>()
  const put = (token: AddedToken) => {
    const other = taken.get(token.id)
    const known = vocab.get(token.content)
    if ((other !== undefined && other !== token.content) || (known !== undefined && known !== token.id))
      throw kvError(
        'KV_TOKENIZER',
        known === undefined || known === token.id
          ? `Id ${token.id} is ${JSON.stringify(other)} and ${JSON.stringify(token.content)} in the files of ${path}.`
          : `The token ${JSON.stringify(token.content)} has the ids ${known} and ${token.id} in the files of ${path}.`,
        'tokenizer.json and its neighbors belong to different models: download them again.',
      )
    taken.set(token.id, token.content)
    tokens.set(token.content, token)
  }
  const nextId = () => Math.max(highest(vocab.values()), highest(taken.keys())) + 1
  const idOf = (content: string) => tokens.get(content)?.id ?? vocab.get(content)

  for (const [i, entry] of own.entries()) {
    const part = new Part(entry, `added_tokens[${i}] of ${path}`)
    const token = readToken(part, part.count('id'))
    // The tokenizers library looks a token up in the vocabulary first.
    put({ ...token, id: vocab.get(token.content) ?? token.id })
  }
  const decoder = config['added_tokens_decoder']
  const declared = isPlainObject(decoder) ? Object.entries(decoder) : []
  const maps = isPlainObject(decoder) ? [specialTokensMap ?? {}, config] : [config, specialTokensMap ?? {}]
  const all = Object.assign({}, ...maps) as Values
  const named = namedTokens(all)
  const further = furtherTokens(all)
  const special = new Set([...Object.values(named), ...further].map(({ content }) => content))

  for (const [key, entry] of declared) {
    const part = new Part(entry, `added_tokens_decoder[${key}] beside ${path}`)
    const id = Number(key)
    if (!isId(id)) throw wrong('a token id', `a key of added_tokens_decoder beside ${path}`, key)
    const known = idOf(part.text('content'))
    put(readToken(part, known ?? id))
  }
  if (!isPlainObject(decoder))
    for (const [content, id] of Object.entries(addedTokens ?? {})) {
      if (!isId(id))
        throw wrong('a token id', `${JSON.stringify(content)} in added_tokens.json beside ${path}`, id)
      if (!tokens.has(content)) put(plainToken(content, idOf(content) ?? id, special.has(content)))
    }
  for (const { content, flags } of [...Object.values(named), ...further]) {
    if (content === '') continue
    const known = tokens.get(content)
    put({
      ...(known ?? { ...plainToken(content, idOf(content) ?? nextId(), true), ...flags }),
      special: true,
    })
  }
  return {
    added: [...tokens.values()],
    named: Object.fromEntries(Object.entries(named).map(([name, { content }]) => [name, content])),
  }
}

const highest = (ids: Iterable<number>): number => {
  let most = -1
  for (const id of ids) if (id > most) most = id
  return most
}

function readToken(part: Part, id: number): AddedToken {
  const special = part.flag('special', false)
  return part.done({
    id,
    content: part.text('content'),
    special,
    normalized: part.flag('normalized', !special),
    lstrip: part.flag('lstrip', false),
    rstrip: part.flag('rstrip', false),
    singleWord: part.flag('single_word', false),
  })
}

const plainToken = (content: string, id: number, special: boolean): AddedToken => ({
  id,
  content,
  special,
  normalized: !special,
  lstrip: false,
  rstrip: false,
  singleWord: false,
})

interface Wanted {
  readonly content: string
  readonly flags: Partial<AddedToken>
}

/** A text, or an object with `content` and flags. */
function readWanted(value: unknown): Wanted | undefined {
  if (typeof value === 'string') return { content: value, flags: {} }
  if (!isPlainObject(value) || typeof value['content'] !== 'string') return undefined
  const flag = (name: string) => value[name] === true
  return {
    content: value['content'],
    flags: {
      normalized: flag('normalized'),
      lstrip: flag('lstrip'),
      rstrip: flag('rstrip'),
      singleWord: flag('single_word'),
    },
  }
}

/** Entries `…_token`, and those of an object `extra_special_tokens`. */
function namedTokens(values: Values): Record<string, Wanted> {
  const extra = values['extra_special_tokens']
  const named: Record<string, Wanted> = {}
  for (const [name, value] of Object.entries(values)) {
    const wanted = name.endsWith('_token') ? readWanted(value) : undefined
    if (wanted) named[name] = wanted
  }
  for (const [name, value] of Object.entries(isPlainObject(extra) ? extra : {})) {
    const wanted = readWanted(value)
    if (wanted) named[name] = wanted
  }
  return named
}

/** Lists of further special tokens. */
function furtherTokens(values: Values): Wanted[] {
  return ['additional_special_tokens', 'extra_special_tokens'].flatMap((name) => {
    const given = values[name]
    return (Array.isArray(given) ? (given as unknown[]) : [])
      .map(readWanted)
      .filter((wanted) => wanted !== undefined)
  })
}
