import { join } from 'node:path'
import { isPlainObject, KvError } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { AddedToken } from '../tokenizer/added-tokens.ts'
import type { TextStream } from '../tokenizer/decoders.ts'
import { ADVICE } from '../tokenizer/part.ts'
import { readPipeline } from '../tokenizer/pipeline.ts'
import type { TokenFiles } from '../tokenizer/special-tokens.ts'
import { readJsonObject } from './read-json.ts'

/** How a text is read. */
export interface EncodeOptions {
  /** With the tokens that the tokenizer puts around a text (usually one in front); default true. */
  readonly special?: boolean
  /** The tokens before: the text goes on where they end, and no space is put before its first word. */
  readonly after?: readonly number[]
  /** Spans `[from, to)` of the text in which special tokens are plain text, in order. */
  readonly plain?: readonly (readonly [number, number])[]
}

/** Text to token ids and back. */
export interface Tokenizer {
  encode(text: string, options?: EncodeOptions): number[]
  /** The same without keeping the event loop busy for long: for texts of any length. */
  encodeLong(text: string, options?: EncodeOptions): Promise<number[]>
  /** Special tokens are left out unless asked for. */
  decode(ids: readonly number[], options?: { readonly special?: boolean }): string
  /** Text of tokens that come one by one after others. Special tokens have none. */
  stream(before?: readonly number[]): TextStream<number>
  /** The id of a token's exact text, such as `<|eot_id|>`. */
  idOf(token: string): number | undefined
  /** The text of a token as the vocabulary writes it. */
  tokenOf(id: number): string | undefined
  /** Tokens that are found in a text before it is cut into words. */
  readonly addedTokens: readonly AddedToken[]
  /** Whether the token is left out of decoded text. */
  isSpecial(id: number): boolean
  /** Named special tokens of the folder's files (`bos_token`, `eos_token`, ...). */
  readonly specialTokens: Readonly<Record<string, string>>
  /** tokenizer_config.json, for the chat template. */
  readonly config: Readonly<Record<string, unknown>>
}

/**
 * Loads tokenizer.json and the files beside it that add tokens; undefined when the folder has no tokenizer.json.
 * @throws KV_TOKENIZER when the files are there but cannot be used.
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer | undefined> {
  const path = join(folder, 'tokenizer.json')
  const definition = await readJsonObject(path)
  if (!definition) return undefined
  const [config, specialTokensMap, addedTokens] = await Promise.all(
    ['tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'].map((name) =>
      readJsonObject(join(folder, name)),
    ),
  )
  return createTokenizer(definition, config ?? {}, path, { specialTokensMap, addedTokens })
}

/**
 * The tokenizer of what tokenizer.json and tokenizer_config.json hold; `path` is for messages.
 * @throws KV_TOKENIZER when it cannot be used.
 */
export function createTokenizer(
  definition: Record<string, unknown>,
  config: Record<string, unknown>,
  path: string,
  more: Omit<TokenFiles, 'config'> = {},
): Tokenizer {
  if (!isPlainObject(definition['model']))
    throw kvError('KV_TOKENIZER', `Expected an object model in ${path}.`, ADVICE)
  try {
    return { ...readPipeline(definition, { config, ...more }, path), config }
  } catch (cause) {
    if (KvError.isInstance(cause)) throw cause
    throw kvError(
      'KV_TOKENIZER',
      `Could not use the tokenizer in ${path}: ${(cause as Error).message}.`,
      ADVICE,
    )
  }
}
