import { dataError } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import { PythonRandom } from '../python/python-random.ts'
import { reprList } from '../python/python-repr.ts'
import { formatTemplate } from '../python/python-text.ts'
import { FailedDraw, type DraftMaker } from './draft.ts'
import type { GeneratorContext } from './generator-context.ts'
import type { Question, QuestionSet } from './question-set.ts'
import { growSize, searchSize, tripleEstimate, type Sizing } from './sizing.ts'
import type { TaskRun } from './task-run.ts'

const INCREMENT = 10

/** Questions over documents: those with the answer among others of the same pool. */
export function questionAnsweringRun(context: GeneratorContext): TaskRun {
  const set = questionSet(context)
  const wanted = context.skipQuestions + context.samples
  if (wanted > set.questions.length) {
    throw new KvError(
      'KV_INVALID_OPTION',
      `${context.task} has ${set.questions.length} questions, not ${wanted}.`,
      {
        hint: 'Ask for fewer samples, or skip fewer questions.',
      },
    )
  }
  const documents = [...set.documents]
  const drawer = questionMaker(context, set.questions, documents)
  const sizing: Sizing = {
    make: drawer,
    increment: INCREMENT,
    budget: context.budget,
    reserve: context.newTokens,
    tokens: (text) => context.tokens(text),
  }
  const size =
    context.scripts === 'current'
      ? searchSize({ ...sizing, probe: INCREMENT, estimate: tripleEstimate })
      : growSize({
          ...sizing,
          withAnswers: (text, answers) => `${text} ${reprList(answers)}`,
          limit: { size: documents.length, checked: 'after-step' },
        })
  return {
    make: (units, index) => drawer(units, index + context.skipQuestions),
    size,
    increment: INCREMENT,
    lengthOf: (text) => context.tokens(text) + context.newTokens,
    retreat: true,
  }
}

function questionSet(context: GeneratorContext): QuestionSet {
  const [set, file] =
    context.task === 'qa_1'
      ? [context.assets.squad, 'squad.json']
      : [context.assets.hotpotqa, 'hotpotqa.json']
  if (set !== undefined) return set
  throw dataError(
    context.assets.name,
    `${context.task} needs ${file}, which the assets do not hold`,
    [
      `Put the original ${context.task === 'qa_1' ? 'SQuAD 2.0 dev set' : 'HotpotQA dev distractor set'}`,
      `into the assets folder as ${file}.`,
    ].join(' '),
  )
}

/** @param documents shuffled in place by the 2024 scripts whenever a sample takes all of them */
function questionMaker(
  context: GeneratorContext,
  questions: readonly Question[],
  documents: string[],
): DraftMaker {
  const { tasks, document: header } = context.assets.templates
  return (units, index) => {
    const question = questions[index] as Question
    const chosen = chooseDocuments(context, question, documents, units)
    new PythonRandom(context.seed).shuffle(chosen)
    const listed = chosen.map((document, i) => formatTemplate(header, { i: String(i + 1), document }))
    const slots = { context: listed.join('\n\n'), query: question.query }
    return {
      text: formatTemplate(tasks.qa.template + tasks.qa.answerPrefix, slots),
      answers: question.answers,
    }
  }
}

function chooseDocuments(
  context: GeneratorContext,
  question: Question,
  documents: string[],
  units: number,
): string[] {
  if (units >= documents.length) {
    if (context.scripts === '2024-04') return documents
    return Array.from({ length: units }, (_, i) => documents[i % documents.length] ?? '')
  }
  const { context: gold, moreContext } = question
  const missing = units - gold.length
  if (missing <= moreContext.length) {
    if (missing < 0) throw new FailedDraw(`the question needs ${gold.length} documents, not ${units}`)
    return [...gold, ...context.random.sample(moreContext, missing)].map((index) => documents[index] ?? '')
  }
  const taken = new Set([...gold, ...moreContext])
  const others = documents.flatMap((_, index) => (taken.has(index) ? [] : [index]))
  const drawn = context.random.sample(others, Math.min(missing - moreContext.length, others.length))
  return [...gold, ...moreContext, ...drawn].map((index) => documents[index] ?? '')
}
