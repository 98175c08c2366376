import { dataError } from '@qpkv/bench-kit'
import { sortedUnique } from '../python/python-text.ts'

export interface Question {
  readonly query: string
  readonly answers: readonly string[]
  /** indexes of the documents that hold the answer */
  readonly context: readonly number[]
  /** indexes of the other paragraphs of the same article; they are added first */
  readonly moreContext: readonly number[]
}

/** Questions over one shared pool of documents. */
export interface QuestionSet {
  readonly documents: readonly string[]
  readonly questions: readonly Question[]
}

interface SquadFile {
  readonly data: readonly {
    readonly paragraphs: readonly {
      readonly context: string
      readonly qas: readonly {
        readonly question: string
        readonly is_impossible: boolean
        readonly answers: readonly { readonly text: string }[]
      }[]
    }[]
  }[]
}

type HotpotFile = readonly {
  readonly question: string
  readonly answer: string
  readonly context: readonly (readonly [title: string, sentences: readonly string[]])[]
}[]

/**
 * Questions of a SQuAD 2.0 file (dev-v2.0.json) as RULER's qa_1 takes them: unanswerable ones dropped.
 *
 * @param path only for messages
 */
export function readSquad(text: string, path: string): QuestionSet {
  return parse(text, path, 'a SQuAD 2.0 file: {"data": [{"paragraphs": [{"context", "qas"}]}]}', (json) => {
    const { data } = json as SquadFile
    const documents = sortedUnique(data.flatMap((entry) => entry.paragraphs.map((part) => part.context)))
    const indexOf = new Map(documents.map((document, index) => [document, index]))
    const questions = data.flatMap(({ paragraphs }) => {
      const article = paragraphs.map((part) => indexOf.get(part.context) ?? -1)
      return paragraphs.flatMap((part) => {
        const own = indexOf.get(part.context) ?? -1
        const moreContext = article.filter((index) => index !== own)
        const answerable = part.qas.filter((entry) => !entry.is_impossible)
        return answerable.map((entry) => ({
          query: entry.question,
          answers: entry.answers.map((answer) => answer.text),
          context: [own],
          moreContext,
        }))
      })
    })
    return { documents, questions }
  })
}

/** Questions of a HotpotQA file (hotpot_dev_distractor_v1.json) as RULER's qa_2 takes them. */
export function readHotpotQa(text: string, path: string): QuestionSet {
  return parse(
    text,
    path,
    'a HotpotQA file: [{"question", "answer", "context": [[title, sentences]]}]',
    (json) => {
      const entries = json as HotpotFile
      const documentsOf = (entry: HotpotFile[number]): string[] =>
        entry.context.map(([title, sentences]) => `${title}\n${sentences.join('')}`)
      const documents = sortedUnique(entries.flatMap(documentsOf))
      const indexOf = new Map(documents.map((document, index) => [document, index]))
      const questions = entries.map((entry) => ({
        query: entry.question,
        answers: [entry.answer],
        context: documentsOf(entry).map((document) => indexOf.get(document) ?? -1),
        moreContext: [],
      }))
      return { documents, questions }
    },
  )
}

function parse(
  text: string,
  path: string,
  wanted: string,
  read: (json: unknown) => QuestionSet,
): QuestionSet {
  let set: QuestionSet
  try {
    set = read(JSON.parse(text))
  } catch (cause) {
    throw dataError(path, `expected ${wanted}`, 'Point at the original file, unpacked.', cause)
  }
  if (set.questions.length === 0) throw dataError(path, 'no answerable question in the file')
  return set
}
