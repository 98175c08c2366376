import {
  contentHash,
  defineBenchmark,
  encodePrompt,
  fillSlots,
  path,
  protocol,
  samples,
  text,
  texts,
  whole,
  type Benchmark,
  type BenchPrompt,
  type BenchSample,
  type Question,
} from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import { loadMetric } from './qa/load-metric.ts'
import { readDocuments, type QaDocument, type QaQuestion } from './qa/read-documents.ts'

interface Asked extends BenchSample {
  readonly document: QaDocument
  /** One, compressed with the text; or all, asked of the compressed text afterwards. */
  readonly questions: readonly QaQuestion[]
}

const options = {
  data: path({ doc: 'Texts, questions and answers as JSON lines.', flag: { value: '<FILE>' } }),
  metric: text({
    default: 'f1',
    doc: 'exact, f1, rouge-l, contains, or a module with a metric of your own.',
  }),
  protocol: protocol(),
  prompt: text({
    default: '{context}\n\nQuestion: {question}\nAnswer:',
    doc: 'How a text and a question are put; through the chat template where the model has one.',
  }),
  newTokens: whole({ min: 1, default: 48, doc: 'Tokens of an answer at most.' }),
  stop: texts({
    doc: 'Texts that end an answer. Default: a line feed, where the model has no chat template.',
  }),
  rows: samples({ doc: 'First texts. Default: all.' }),
}

/** Questions about texts of the user's own, judged by a metric of choice, under both protocols. */
export const qa: Benchmark = defineBenchmark({
  name: 'qa',
  about: 'questions about texts of yours, with your answers and metric',
  options,
  async prepare(
    { data, metric, prompt, protocol, newTokens, rows: count = Infinity, stop },
    { onBadRow, model },
  ) {
    if (data === undefined)
      throw new KvError('KV_INVALID_OPTION', 'bench qa needs data.', {
        hint: 'Give --data FILE with rows {"context": "…", "question": "…", "answer": "…"}.',
      })
    if (!/\{context\}[^]*\{question\}/.test(prompt))
      throw new KvError('KV_INVALID_OPTION', 'prompt: expected {context} and behind it {question}.', {
        hint: String.raw`Such as --prompt '{context}\nQuestion: {question}'.`,
      })
    const { metric: judge, hash } = await loadMetric(metric)
    const problems: Error[] = []
    const documents = await readDocuments(data, (error) => {
      problems.push(error)
      onBadRow(error)
    })
    if (documents.length === 0)
      throw new KvError('KV_DATA', `${data} holds no text that can be asked${why(problems)}.`, {
        hint: 'A row is {"context": "…", "question": "…", "answer": "…"}.',
      })
    return {
      samples: documents.slice(0, count).flatMap((document) => samplesOf(document, protocol, newTokens)),
      state: judge,
      options: { stop: stop ?? (model.chatTemplate === undefined ? ['\n'] : undefined) },
      ...(hash !== undefined && { data: { metric: hash } }),
    }
  },
  async ask({ document, questions }: Asked, { options, model }) {
    const chat = model.chatTemplate !== undefined
    const rule = {
      maxTokens: options.newTokens,
      stopTokens: model.generationDefaults.stopTokens,
      ...(options.stop !== undefined && { stop: options.stop }),
    }
    let prompt: Omit<BenchPrompt, 'questions'> = { ids: [] }
    const asked: Question[] = []
    for (const [i, { question, answers }] of questions.entries()) {
      const values = { context: document.context, question }
      const { text: content, contextEnd } = fillSlots(
        options.prompt,
        /\{(context|question)\}/g,
        'context',
        (name) => values[name as keyof typeof values],
      )
      const parts = { content, contextEnd, answerPrefix: '', chat, special: true }
      const { rest, ...encoded } = await encodePrompt(model, parts, options.protocol)
      prompt = encoded
      asked.push({ id: String(i), text: rest, expected: JSON.stringify(answers), rule })
    }
    return { ...prompt, questions: asked }
  },
  score: (reply, { expected }, { document }, { state }) =>
    state(reply.trim(), JSON.parse(expected) as string[], document.row),
})

const why = ([first]: readonly Error[]) => (first ? `: ${first.message.replace(/\.$/, '')}` : '')

/** Query-aware, every question has a prompt of its own; otherwise all are asked of one compressed text. */
function samplesOf(document: QaDocument, protocol: string, newTokens: number): Asked[] {
  const { id, group, context, questions, place, row } = document
  const shared = {
    facets: { protocol, ...(group !== undefined && { group }) },
    place,
    content: [contentHash(context), row],
    document,
  }
  const prompt = Math.round(context.length / 4)
  if (protocol === 'query-agnostic')
    return [
      {
        ...shared,
        id: `${protocol}/${id}`,
        size: { prompt, answers: questions.length * newTokens },
        questions,
      },
    ]
  return questions.map((question, i) => ({
    ...shared,
    id: `${protocol}/${id}/${i}`,
    size: { prompt, answers: newTokens },
    questions: [question],
  }))
}
