import { dataError } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import { codePointsBefore } from '../python/python-text.ts'
import { commonWordsRun } from './common-words.ts'
import { FailedDraw } from './draft.ts'
import { fitSample, type FittedDraft } from './fit-sample.ts'
import { frequentWordsRun } from './frequent-words.ts'
import { createContext, type GenerateOptions, type GeneratorContext } from './generator-context.ts'
import { niahRun } from './niah.ts'
import { questionAnsweringRun } from './question-answering.ts'
import type { RulerRow } from './ruler-row.ts'
import { TASK_DEFINITIONS, type RulerTask, type TaskFamily } from './task-definitions.ts'
import type { TaskRun } from './task-run.ts'
import { variableTracking2024Run } from './variable-tracking-2024.ts'
import { variableTrackingRun } from './variable-tracking.ts'

/**
 * Samples of one RULER task, one by one. With the official assets, the original tokenizer and the same seed the
 * rows are those of the official file, in order; with own assets they are the same kind of task in other words.
 * Method: https://arxiv.org/abs/2404.06654.
 *
 * @throws KvError when the length is too short for the task, or the assets lack what it needs
 */
export function* generateTask(
  task: RulerTask,
  options: GenerateOptions,
): Generator<RulerRow, void, undefined> {
  const context = createContext(task, options)
  const draw = sampleDrawer(context)
  for (let index = 0; index < context.samples; index += 1) {
    const draft = draw(index)
    yield context.scripts === 'current' ? currentRow(context, draft, index) : row2024(draft, index)
  }
}

function sampleDrawer(context: GeneratorContext): (index: number) => FittedDraft {
  if (context.task === 'fwe') {
    const run = frequentWordsRun(context)
    return () => {
      const draft = run.make()
      return { ...draft, length: run.lengthOf(draft.text) }
    }
  }
  const run = sized(context)
  return (index) => {
    const draft = fitSample({ ...run, budget: context.budget }, index)
    return run.finish === undefined ? draft : { ...draft, text: run.finish(draft.text) }
  }
}

function sized(context: GeneratorContext): TaskRun {
  const runs: Readonly<
    Record<Exclude<TaskFamily, 'freq_words_extraction'>, (context: GeneratorContext) => TaskRun>
  > = {
    niah: niahRun,
    variable_tracking: context.scripts === 'current' ? variableTrackingRun : variableTracking2024Run,
    common_words_extraction: commonWordsRun,
    qa: questionAnsweringRun,
  }
  const { family } = TASK_DEFINITIONS[context.task]
  try {
    return runs[family === 'freq_words_extraction' ? 'niah' : family](context)
  } catch (error) {
    if (!(error instanceof FailedDraw)) throw error
    const message = `The size of ${context.task} at length ${context.nominalLength} cannot be found: ${error.message}.`
    throw new KvError('KV_INVALID_OPTION', message, {
      hint: 'Take another seed or a greater length.',
      cause: error,
    })
  }
}

function row2024(draft: FittedDraft, index: number): RulerRow {
  return { index, input: draft.text, outputs: draft.answers, length: draft.length }
}

/** The current scripts split the answer prefix off where its first ten characters stand last. */
function currentRow(context: GeneratorContext, draft: FittedDraft, index: number): RulerRow {
  const { family } = TASK_DEFINITIONS[context.task]
  const { tasks } = context.assets.templates
  const head = Array.from(tasks[family].answerPrefix).slice(0, 10).join('')
  const cut = draft.text.lastIndexOf(head)
  if (cut < 0 || head === '') {
    throw dataError(
      context.assets.name,
      `the answer prefix of ${family} does not stand in the prompt as written`,
    )
  }
  const input = draft.text.slice(0, cut)
  const row = {
    index,
    input,
    outputs: draft.answers,
    length: draft.length,
    length_w_model_temp: draft.length + context.templateTokens,
    answer_prefix: draft.text.slice(cut),
  }
  if (family !== 'niah') return row
  const answerAt = input.indexOf(draft.answers[0] ?? '')
  return {
    ...row,
    index: codePointsBefore(input, answerAt),
    token_position_answer: context.tokens(input.slice(0, answerAt)),
  }
}
