import { readBpe, readVocab } from './bpe.ts'
import { wrong, type Part } from './part.ts'
import { readUnigram } from './unigram.ts'

/** Work in steps: whoever drives it may let others run between two. */
export type Steps<T> = Generator<undefined, T, void>

/** Turns words into token ids. */
export interface WordModel {
  readonly vocab: ReadonlyMap<string, number>
  encode(word: string): Steps<readonly number[]>
}

/** @throws KV_TOKENIZER for types and fields that are not obeyed. */
export function readWordModel(part: Part): WordModel {
  switch (part.type || (part.raw('merges') === undefined ? '' : 'BPE')) {
    case 'BPE':
      return readBpe(part)
    case 'Unigram':
      return readUnigram(part)
    case 'WordLevel':
      return readWordLevel(part)
    case 'WordPiece':
      return readWordPiece(part)
    default:
      throw part.unknown()
  }
}

/** The id of the unknown token, asked for only where it is needed. */
function unknownOf(part: Part, vocab: ReadonlyMap<string, number>): () => number {
  const token = part.text('unk_token', '[UNK]')
  return () => {
    const id = vocab.get(token)
    if (id === undefined) throw wrong('a token of the vocabulary', `unk_token in ${part.path}`, token)
    return id
  }
}

/** Whole words only. */
function readWordLevel(part: Part): WordModel {
  const vocab = readVocab(part)
  const unknown = unknownOf(part, vocab)
  return part.done({
    vocab,
    // oxlint-disable-next-line require-yield -- one step
    *encode(word): Steps<number[]> {
      return [vocab.get(word) ?? unknown()]
    },
  })
}

/** The longest token that begins the rest of a word, again and again; a word with an unknown rest is unknown. */
function readWordPiece(part: Part): WordModel {
  const vocab = readVocab(part)
  const unknown = unknownOf(part, vocab)
  const prefix = part.text('continuing_subword_prefix', '##')
  const longest = part.count('max_input_chars_per_word', 100)
  return part.done({
    vocab,
    // oxlint-disable-next-line require-yield -- words are short
    *encode(word): Steps<number[]> {
      const characters = Array.from(word)
      if (characters.length > longest) return [unknown()]
      const ids: number[] = []
      for (let from = 0; from < characters.length;) {
        let to = characters.length
        let id: number | undefined
        for (; to > from; to--) {
          id = vocab.get((from > 0 ? prefix : '') + characters.slice(from, to).join(''))
          if (id !== undefined) break
        }
        if (id === undefined) return [unknown()]
        ids.push(id)
        from = to
      }
      return ids
    },
  })
}
