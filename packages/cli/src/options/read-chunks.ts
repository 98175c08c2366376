import type { Model } from '@qpkv/core'
import { needleCases } from '@qpkv/reference-model'
import { KvError } from '@qpkv/spec'
import type { Command } from 'commander'
import { UsageError } from '../usage-error.ts'
import { wholeNumber } from './numbers.ts'
import { readGiven } from './read-given.ts'

/** Texts that something is learned from, in chunks. */
export interface ChunkFlags {
  readonly text?: string[]
  readonly tokens: number
  readonly chunks: number
}

/** Adds --text, --tokens and --chunks. */
export const addChunkOptions = (command: Command, chunks: number): Command =>
  command
    .option('--text <FILE...>', 'texts to read (default for the reference model: its own world)')
    .option('--tokens <N>', 'tokens per chunk of text', wholeNumber(16), 2048)
    .option('--chunks <N>', 'chunks at most', wholeNumber(1), chunks)

/**
 * Token ids of every chunk; a text's last piece counts if it is at least half a chunk or the only one.
 * @param of the model's name on the command line
 * @param seed of the bundled world's text
 */
export async function readChunks(
  { tokenizer }: Model,
  { text, tokens, chunks }: ChunkFlags,
  { of, seed }: { readonly of: string; readonly seed: string },
): Promise<number[][]> {
  if (!tokenizer) throw new KvError('KV_TOKENIZER', 'Texts are read, and this model has no tokenizer.')
  if (text === undefined && of !== 'reference')
    throw new UsageError(
      'Expected --text FILE.',
      'Texts like those that the model will read calibrate it best.',
    )
  const texts =
    text === undefined
      ? needleCases({
          seed,
          tokens,
          keys: Math.max(1, Math.floor(tokens / 128)),
          samples: chunks,
          protocol: 'query-aware',
          countTokens: (piece) => tokenizer.encode(piece, { special: false }).length,
        }).map(({ prompt }) => prompt)
      : await Promise.all(text.map((file) => readGiven(file, '--text')))
  const all = texts.flatMap((piece) => {
    const ids = tokenizer.encode(piece)
    const starts = Array.from({ length: Math.ceil(ids.length / tokens) }, (_, i) => i * tokens)
    return starts
      .map((from) => ids.slice(from, from + tokens))
      .filter((chunk, i) => i === 0 || chunk.length >= tokens / 2)
  })
  if (all.length === 0) throw new UsageError('The texts are empty.')
  return all.slice(0, chunks)
}
