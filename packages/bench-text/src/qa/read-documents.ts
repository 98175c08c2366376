import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { dataError, decodeText, fileLines, parseObject, readRows } from '@qpkv/bench-kit'
import { isPlainObject, nearestName, type JsonObject } from '@qpkv/spec'

/** A text and what is asked about it. */
export interface QaDocument {
  /** `docs.jsonl:3`. */
  readonly place: string
  readonly id: string
  /** The row as it stands, for metrics of the user's own. */
  readonly row: JsonObject
  readonly context: string
  readonly questions: readonly QaQuestion[]
  /** What reports group by, from the row's `group`. */
  readonly group: string | undefined
}

export interface QaQuestion {
  readonly question: string
  /** At least one; the best of them counts. */
  readonly answers: readonly string[]
}

const fields = ['id', 'context', 'contextFile', 'question', 'answer', 'answers', 'questions', 'group']

/**
 * Documents of a JSON lines file. A row has `context` or `contextFile` (beside the file), and `question` with `answer` or `answers`, or
 * `questions`, a list of these; `id` and `group` if wanted. Other fields are the user's own and left alone, but for names that are nearly one
 * of these.
 * @param onBadRow told of each row that cannot be used
 * @throws KvError KV_DATA for a file that cannot be read
 */
export async function readDocuments(file: string, onBadRow: (error: Error) => void): Promise<QaDocument[]> {
  const documents = new Map<string, QaDocument>()
  const read = async (text: string, place: string): Promise<void> => {
    const document = await readDocument(text, place, dirname(file))
    const { id } = document
    if (documents.has(id))
      throw wrong(place, `another row has the id "${id}"`, 'Give every row an id of its own, or none.')
    documents.set(id, document)
  }
  for await (const _ of readRows(fileLines(file), file, read, onBadRow));
  return [...documents.values()]
}

async function readDocument(text: string, place: string, folder: string): Promise<QaDocument> {
  const row = parseObject(text, place) as JsonObject
  for (const name of Object.keys(row)) {
    const close = fields.includes(name) ? undefined : nearestName(name, fields)
    if (close !== undefined && !(close in row))
      throw wrong(place, `"${name}" is no field of a row`, `Did you mean "${close}"?`)
  }
  const { id = place.slice(place.lastIndexOf(':') + 1), group, questions } = row
  if (typeof id !== 'string' && typeof id !== 'number') throw wrong(place, '"id" must be a text or a number')
  if (group !== undefined && typeof group !== 'string') throw wrong(place, '"group" must be a text')
  const list: readonly unknown[] = questions === undefined ? [row] : Array.isArray(questions) ? questions : []
  if (list.length === 0) throw wrong(place, '"questions" must be a list with at least one question')
  return {
    place,
    id: String(id),
    row,
    context: await contextOf(row, place, folder),
    questions: list.map((one, i) =>
      readQuestion(one, questions === undefined ? place : `${place}, questions[${i}]`),
    ),
    group,
  }
}

async function contextOf(
  { context, contextFile }: JsonObject,
  place: string,
  folder: string,
): Promise<string> {
  if (typeof context === 'string' && context !== '' && contextFile === undefined) return context
  if (typeof contextFile !== 'string' || context !== undefined)
    throw wrong(place, 'expected "context" with a text, or "contextFile" with a path', 'Give one of the two.')
  const path = resolve(folder, contextFile)
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw dataError(place, `cannot read contextFile ${path}: ${(cause as Error).message}`, undefined, cause)
  })
  return decodeText(bytes, path)
}

function readQuestion(value: unknown, place: string): QaQuestion {
  const {
    question,
    answer,
    answers = answer === undefined ? undefined : [answer],
  } = isPlainObject(value) ? value : {}
  if (typeof question !== 'string' || question === '') throw wrong(place, 'expected "question" with a text')
  if (
    !Array.isArray(answers) ||
    answers.length === 0 ||
    !answers.every((one) => typeof one === 'string' && one !== '')
  )
    throw wrong(place, 'expected "answer" with a text, or "answers" with a list of texts')
  return { question, answers: answers as string[] }
}

const wrong = (
  place: string,
  what: string,
  hint = 'A row is {"context": "…", "question": "…", "answer": "…"}.',
) => dataError(place, what, hint)
