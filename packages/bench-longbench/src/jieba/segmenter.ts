import { pythonSpace } from '@qpkv/bench-kit'
import { bestCut } from './best-cut.ts'
import type { Dictionary } from './dictionary.ts'
import type { HmmTables } from './hmm-tables.ts'
import { cutByStates } from './viterbi.ts'

// The classes of jieba 0.42.1: what goes through the dictionary, white space, Chinese runs, and "words" of the rest.
const block = /([\u4e00-\u9fd5a-zA-Z0-9+#&._%-]+)/u
const space = new RegExp(`(\\r\\n|[${pythonSpace}])`, 'u')
const chinese = /([\u4e00-\u9fd5]+)/u
const latin = /([a-zA-Z0-9]+(?:\.\p{Nd}+)?%?)/u

/** Single characters that the dictionary left over: Chinese runs by the HMM, the rest by pattern. */
function cutRest(rest: string, tables: HmmTables): string[] {
  return rest
    .split(chinese)
    .flatMap((part, at) =>
      at % 2 === 1 ? cutByStates(part, tables) : part.split(latin).filter((piece) => piece !== ''),
    )
}

function cutBlock(
  text: string,
  dictionary: Dictionary,
  tables: HmmTables,
  logs: Map<number, number>,
): string[] {
  const ends = bestCut(text, dictionary, logs)
  const words: string[] = []
  let rest = ''
  const flush = (): void => {
    // A rest that is itself a word stays in single characters: the dictionary has decided against the word.
    const known = rest.length > 1 && (dictionary.counts.get(rest) ?? 0) > 0
    if (rest !== '') words.push(...(known || rest.length === 1 ? Array.from(rest) : cutRest(rest, tables)))
    rest = ''
  }
  for (let from = 0; from < text.length;) {
    const to = ends[from] ?? from + 1
    if (to - from === 1) rest += text.slice(from, to)
    else {
      flush()
      words.push(text.slice(from, to))
    }
    from = to
  }
  flush()
  return words
}

/**
 * Word segmentation equal to `jieba.cut(text)` of Python's jieba 0.42.1 (precise mode, HMM on): the most probable way
 * through the dictionary, then a hidden Markov model for runs of single characters. The pieces joined give the text.
 */
export function createSegmenter(dictionary: Dictionary, tables: HmmTables): (text: string) => string[] {
  const logs = new Map<number, number>()
  return (text) =>
    text.split(block).flatMap((part, at) => {
      if (at % 2 === 1) return cutBlock(part, dictionary, tables, logs)
      return part.split(space).flatMap((piece, index) => (index % 2 === 1 ? [piece] : Array.from(piece)))
    })
}
