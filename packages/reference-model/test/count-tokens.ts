import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Tokenizer } from '@huggingface/tokenizers'
import { modelFolder } from '../src/index.ts'

const json = (name: string) => JSON.parse(readFileSync(join(modelFolder, name), 'utf8')) as object

const tokenizer = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'))

/** Tokens of a text with the bundled tokenizer, special tokens not counted. */
export const countTokens = (text: string): number =>
  tokenizer.encode(text, { add_special_tokens: false }).ids.length
