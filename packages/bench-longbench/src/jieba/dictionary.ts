import { dataError } from '@qpkv/bench-kit'

/** The prefix dictionary: word counts, and 0 for every text that only begins a word. */
export interface Dictionary {
  counts: ReadonlyMap<string, number>
  /** Sum of all counts, a word that is listed twice counted twice. */
  total: number
}

/**
 * Reads jieba's `dict.txt`: one word a line, `word count [tag]`, UTF-8.
 * @throws KvError KV_DATA with the line where one has no count.
 */
export function parseDictionary(text: string, file: string): Dictionary {
  const counts = new Map<string, number>()
  let total = 0
  let line = 0
  for (const row of text.split('\n')) {
    line++
    const [word = '', count = ''] = row.trim().split(' ', 2)
    if (word === '') continue
    if (!/^\d+$/.test(count)) {
      throw dataError(`${file}:${line}`, 'expected "word count tag"', "Take jieba's own dict.txt.")
    }
    counts.set(word, Number(count))
    total += Number(count)
    for (let end = 1; end < word.length; end++) {
      const prefix = word.slice(0, end)
      if (!counts.has(prefix)) counts.set(prefix, 0)
    }
  }
  return { counts, total }
}
