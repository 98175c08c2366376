import { join } from 'node:path'
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { isPlainObject } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import { readJsonObject } from './read-json.ts'

/** Text to token ids and back. */
export interface Tokenizer {
  /** `special`: with the tokens that the tokenizer puts around a text (usually one in front). */
  encode(text: string, options?: { special?: boolean }): number[]
  /** Special tokens are left out unless asked for. */
  decode(ids: readonly number[], options?: { special?: boolean }): string
  /** The id of a token's exact text, such as `<|eot_id|>`. */
  idOf(token: string): number | undefined
  /** Named special tokens of tokenizer_config.json (`bos_token`, `eos_token`, ...). */
  readonly specialTokens: Readonly<Record<string, string>>
  /** tokenizer_config.json, for the chat template. */
  readonly config: Readonly<Record<string, unknown>>
}

/**
 * Loads tokenizer.json and tokenizer_config.json; undefined when the folder has no tokenizer.json.
 * @throws KV_TOKENIZER when the files are there but cannot be used.
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer | undefined> {
  const path = join(folder, 'tokenizer.json')
  const definition = await readJsonObject(path)
  if (!definition) return undefined
  const config = (await readJsonObject(join(folder, 'tokenizer_config.json'))) ?? {}
  return createTokenizer(definition, config, path)
}

/**
 * The tokenizer of what tokenizer.json and tokenizer_config.json hold; `path` is for messages.
 * @throws KV_TOKENIZER when it cannot be used.
 */
export function createTokenizer(
  definition: Record<string, unknown>,
  config: Record<string, unknown>,
  path: string,
): Tokenizer {
  try {
    return wrap(new HuggingFaceTokenizer(definition, config), config, path)
  } catch (cause) {
    throw unusable(path, cause)
  }
}

const unusable = (path: string, cause: unknown) =>
  kvError(
    'KV_TOKENIZER',
    `Could not use the tokenizer in ${path}: ${(cause as Error).message}.`,
    'Download it again (only tokenizer.json of Hugging Face is read); without the file, code can work with token ids.',
  )

function wrap(tokenizer: HuggingFaceTokenizer, config: Record<string, unknown>, path: string): Tokenizer {
  // Parts of a broken file that loading does not look at are found when they are used.
  const guard = <T>(work: () => T): T => {
    try {
      return work()
    } catch (cause) {
      throw unusable(path, cause)
    }
  }
  return {
    encode: (text, { special = true } = {}) =>
      guard(() => tokenizer.encode(text, { add_special_tokens: special }).ids),
    // Cleaning up spaces would change text that is already out when the next token comes.
    decode: (ids, { special = false } = {}) =>
      ids.length === 0
        ? ''
        : guard(() =>
            tokenizer.decode([...ids], {
              skip_special_tokens: !special,
              clean_up_tokenization_spaces: false,
            }),
          ),
    idOf: (token) => tokenizer.token_to_id(token),
    specialTokens: readSpecialTokens(config),
    config,
  }
}

/** Entries `…_token` hold a text or an object with `content`. */
function readSpecialTokens(config: Record<string, unknown>): Record<string, string> {
  const tokens: Record<string, string> = {}
  for (const [name, value] of Object.entries(config)) {
    if (!name.endsWith('_token')) continue
    const text = isPlainObject(value) ? value['content'] : value
    if (typeof text === 'string') tokens[name] = text
  }
  return tokens
}
