import { describeValue } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { MetadataReader } from './metadata-reader.ts'
import { preTokenizers } from './pre-tokenizers.ts'
import { mergesFromScores } from './merges-from-scores.ts'

/** A tokenizer in the words of a Hugging Face folder. */
export interface GgufTokenizer {
  /** What tokenizer.json would hold. */
  readonly definition: Record<string, unknown>
  /** What tokenizer_config.json would hold, chat template included. */
  readonly config: Record<string, unknown>
  /** Ids that end a text. */
  readonly stopTokens: readonly number[]
}

/** `tokenizer.ggml.token_type`. */
enum TokenType {
  Normal = 1,
  Unknown = 2,
  Control = 3,
  UserDefined = 4,
  Unused = 5,
  Byte = 6,
}

interface Vocabulary {
  readonly texts: readonly string[]
  readonly types: readonly number[]
}

/**
 * Builds the tokenizer that the metadata describe; undefined where they describe none.
 * @throws KV_TOKENIZER for kinds that are not known, naming them.
 */
export function readGgufTokenizer(metadata: MetadataReader): GgufTokenizer | undefined {
  const model = metadata.text('tokenizer.ggml.model')
  if (model === undefined || model === 'none') return undefined
  const vocabulary = readVocabulary(metadata)
  const kinds: Readonly<Record<string, (metadata: MetadataReader, vocabulary: Vocabulary) => Kind>> = {
    gpt2: byteLevelBpe,
    llama: sentencePieceBpe,
  }
  const build = Object.hasOwn(kinds, model) ? kinds[model] : undefined
  if (!build) throw unknownPart(metadata, 'tokenizer.ggml.model', model, Object.keys(kinds))
  const { addBos, ...parts } = build(metadata, vocabulary)
  const special = specialTokens(metadata, vocabulary)
  const bos = special.ids['bos_token']
  const eos = special.ids['eos_token']
  const withBos = (metadata.boolean('tokenizer.ggml.add_bos_token') ?? addBos) && bos !== undefined
  const withEos = (metadata.boolean('tokenizer.ggml.add_eos_token') ?? false) && eos !== undefined
  return {
    definition: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens(vocabulary),
      ...parts,
      post_processor: template(
        withBos ? special.texts['bos_token'] : undefined,
        bos,
        withEos ? special.texts['eos_token'] : undefined,
        eos,
      ),
    },
    config: { ...special.texts, ...chatTemplates(metadata) },
    stopTokens: stopTokens(metadata),
  }
}

/** The parts of a tokenizer.json that differ between kinds. */
interface Kind {
  readonly normalizer: unknown
  readonly pre_tokenizer: unknown
  readonly decoder: unknown
  readonly model: Record<string, unknown>
  readonly addBos: boolean
}

function readVocabulary(metadata: MetadataReader): Vocabulary {
  const texts = metadata.texts('tokenizer.ggml.tokens')
  if (!texts || texts.length === 0)
    throw kvError('KV_TOKENIZER', `Expected a list of tokens in tokenizer.ggml.tokens of ${metadata.path}.`)
  const types = metadata.numbers('tokenizer.ggml.token_type') ?? texts.map(() => TokenType.Normal)
  if (types.length !== texts.length)
    throw kvError(
      'KV_TOKENIZER',
      `Expected ${texts.length} entries in tokenizer.ggml.token_type of ${metadata.path} but received ${types.length}.`,
    )
  return { texts, types }
}

const unknownPart = (metadata: MetadataReader, key: string, value: unknown, known: readonly string[]) =>
  kvError(
    'KV_TOKENIZER',
    `Expected a known ${key} in ${metadata.path} but received ${describeValue(value)}.`,
    `Known are ${known.join(', ')}. With the model's tokenizer.json and tokenizer_config.json beside the file, those are read instead.`,
  )

function vocab({ texts }: Vocabulary): Record<string, number> {
  const ids = Object.create(null) as Record<string, number>
  for (const [id, text] of texts.entries()) if (!(text in ids)) ids[text] = id
  return ids
}

function byteLevelBpe(metadata: MetadataReader, vocabulary: Vocabulary): Kind {
  const name = metadata.text('tokenizer.ggml.pre') ?? 'default'
  const pre = Object.hasOwn(preTokenizers, name) ? preTokenizers[name] : undefined
  if (!pre) throw unknownPart(metadata, 'tokenizer.ggml.pre', name, Object.keys(preTokenizers))
  const merges = metadata.texts('tokenizer.ggml.merges')
  if (!merges)
    throw kvError('KV_TOKENIZER', `Expected a list of merges in tokenizer.ggml.merges of ${metadata.path}.`)
  return {
    normalizer: pre.normalizer ?? null,
    pre_tokenizer: pre.cut,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: bpe({ vocab: vocab(vocabulary), merges, ignore_merges: pre.ignoreMerges ?? false }),
    addBos: pre.addBos ?? false,
  }
}

const SPACE = '\u2581' // what SentencePiece writes for a space

function sentencePieceBpe(metadata: MetadataReader, vocabulary: Vocabulary): Kind {
  const scores = metadata.numbers('tokenizer.ggml.scores')
  if (!scores || scores.length !== vocabulary.texts.length)
    throw kvError(
      'KV_TOKENIZER',
      `Expected ${vocabulary.texts.length} entries in tokenizer.ggml.scores of ${metadata.path} but received ${scores?.length ?? 'none'}.`,
    )
  const prefix = metadata.boolean('tokenizer.ggml.add_space_prefix') ?? true
  if (metadata.boolean('tokenizer.ggml.remove_extra_whitespaces') === true)
    throw unknownPart(metadata, 'tokenizer.ggml.remove_extra_whitespaces', true, ['false'])
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: SPACE }
  const back = { type: 'Replace', pattern: { String: SPACE }, content: ' ' }
  const unknown = vocabulary.types.indexOf(TokenType.Unknown)
  const mergeable = vocabulary.texts.map((text, i) =>
    vocabulary.types[i] === TokenType.Normal ? text : undefined,
  )
  return {
    normalizer: {
      type: 'Sequence',
      normalizers: prefix ? [{ type: 'Prepend', prepend: SPACE }, replace] : [replace],
    },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        back,
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: bpe({
      vocab: vocab(vocabulary),
      merges: mergesFromScores(mergeable, scores),
      byte_fallback: true,
      fuse_unk: true,
      unk_token: unknown >= 0 ? vocabulary.texts[unknown] : null,
    }),
    addBos: true,
  }
}

const bpe = (own: Record<string, unknown>) => ({
  type: 'BPE',
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
  ...own,
})

/** Control tokens are special; user-defined ones are found in a text before it is cut, and printed. */
function addedTokens({ texts, types }: Vocabulary) {
  return texts.flatMap((content, id) => {
    const special = types[id] === TokenType.Control || types[id] === TokenType.Unknown
    if (!special && types[id] !== TokenType.UserDefined) return []
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }]
  })
}

const specialNames: Readonly<Record<string, string>> = {
  bos_token: 'bos',
  eos_token: 'eos',
  unk_token: 'unknown',
  pad_token: 'padding',
}

function specialTokens(metadata: MetadataReader, { texts }: Vocabulary) {
  const found = { texts: {} as Record<string, string>, ids: {} as Record<string, number> }
  for (const [name, key] of Object.entries(specialNames)) {
    const id = metadata.number(`tokenizer.ggml.${key}_token_id`)
    if (id === undefined) continue
    const text = texts[id]
    if (text === undefined)
      throw metadata.wrong(`a token id below ${texts.length}`, `tokenizer.ggml.${key}_token_id`, id)
    found.texts[name] = text
    found.ids[name] = id
  }
  return found
}

/** A tokenizer.json post-processor that puts bos before a text and eos behind it. */
function template(bos?: string, bosId?: number, eos?: string, eosId?: number) {
  if (bos === undefined && eos === undefined) return null
  const token = (id: string) => ({ SpecialToken: { id, type_id: 0 } })
  const around = (text: string) => [
    ...(bos === undefined ? [] : [token(bos)]),
    { Sequence: { id: text, type_id: 0 } },
    ...(eos === undefined ? [] : [token(eos)]),
  ]
  const special: Record<string, unknown> = {}
  if (bos !== undefined) special[bos] = { id: bos, ids: [bosId], tokens: [bos] }
  if (eos !== undefined) special[eos] = { id: eos, ids: [eosId], tokens: [eos] }
  return {
    type: 'TemplateProcessing',
    single: around('A'),
    pair: [...around('A'), ...around('B')],
    special_tokens: special,
  }
}

const CHAT_TEMPLATE = 'tokenizer.chat_template'

function chatTemplates(metadata: MetadataReader): Record<string, unknown> {
  const main = metadata.text(CHAT_TEMPLATE)
  const others = metadata.texts('tokenizer.chat_templates') ?? []
  const named = others.flatMap((name) => {
    const template = metadata.text(`${CHAT_TEMPLATE}.${name}`)
    return template === undefined ? [] : [{ name, template }]
  })
  if (named.length === 0) return main === undefined ? {} : { chat_template: main }
  return {
    chat_template: [...(main === undefined ? [] : [{ name: 'default', template: main }]), ...named],
  }
}

/** End of text, of a turn and of a message: generation stops at each. */
function stopTokens(metadata: MetadataReader): number[] {
  const ids = ['eos', 'eot', 'eom'].flatMap((name) => {
    const id = metadata.number(`tokenizer.ggml.${name}_token_id`)
    return id === undefined ? [] : [id]
  })
  return [...new Set(ids)]
}
