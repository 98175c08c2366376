import { byteTokens } from './bpe.ts'
import { wrong, type Part } from './part.ts'
import type { Steps, WordModel } from './word-model.ts'

/** What an unknown character costs beyond the least likely token. */
const UNKNOWN_PENALTY = 10
const CHARACTERS_PER_STEP = 1024

/** The likeliest way to cut a word into tokens, each with a logarithmic probability (Viterbi). Unknown neighbors are one token. */
export function readUnigram(part: Part): WordModel {
  const { vocab, scores, longest } = readScores(part)
  const unknown = part.raw('unk_id') === undefined ? undefined : part.count('unk_id')
  const bytes = part.flag('byte_fallback', false) ? byteTokens(vocab) : undefined
  const worst = scores.reduce((least, score) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY

  const unknownIds = (text: string): readonly number[] => {
    const fallback = bytes?.(text)
    if (fallback) return fallback
    if (unknown === undefined) throw wrong('a token id', `unk_id in ${part.path}`, null)
    return [unknown]
  }

  return part.done({
    vocab,
    *encode(word): Steps<number[]> {
      const characters = Array.from(word)
      const best = new Float64Array(characters.length + 1).fill(-Infinity)
      const from = new Int32Array(characters.length + 1).fill(-1)
      const ids = new Int32Array(characters.length + 1).fill(-1)
      best[0] = 0
      const offer = (begin: number, end: number, score: number, id: number) => {
        const total = (best[begin] ?? 0) + score
        if (from[end] !== -1 && total <= (best[end] ?? 0)) return
        best[end] = total
        from[end] = begin
        ids[end] = id
      }
      for (let begin = 0; begin < characters.length; begin++) {
        if (begin % CHARACTERS_PER_STEP === CHARACTERS_PER_STEP - 1) yield
        let text = ''
        for (let end = begin + 1; end <= characters.length && end - begin <= longest; end++) {
          text += characters[end - 1] ?? ''
          const id = vocab.get(text)
          if (id !== undefined) offer(begin, end, scores[id] ?? 0, id)
          else if (end === begin + 1) offer(begin, end, worst, -1)
        }
      }
      const out: number[] = [] // from the end
      for (let end = characters.length, done = 1; end > 0; done++) {
        if (done % CHARACTERS_PER_STEP === 0) yield
        let begin = from[end] ?? 0
        const id = ids[end] ?? -1
        if (id >= 0 && id !== unknown) out.push(id)
        else {
          const isUnknown = (at: number) => at > 0 && (ids[at] === -1 || ids[at] === unknown)
          while (isUnknown(begin)) begin = from[begin] ?? 0
          out.push(...unknownIds(characters.slice(begin, end).join('')).toReversed())
        }
        end = begin
      }
      return out.reverse()
    },
  })
}

/** A list of `[token, logarithmic probability]`; ids are places in it. */
function readScores(part: Part) {
  const vocab = new Map<string, number>()
  const scores: number[] = []
  let longest = 1
  for (const [id, entry] of part.list('vocab').entries()) {
    const [token, score] = Array.isArray(entry) ? (entry as unknown[]) : []
    if (typeof token !== 'string' || typeof score !== 'number')
      throw wrong('a token and its score', `vocab[${id}] of ${part.path}`, entry)
    vocab.set(token, id)
    scores.push(score)
    longest = Math.max(longest, Array.from(token).length)
  }
  return { vocab, scores, longest }
}
