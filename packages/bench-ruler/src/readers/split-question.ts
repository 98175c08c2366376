import type { RulerTask } from '../tasks/task-definitions.ts'
import type { RulerSample } from './ruler-sample.ts'

/** Prompt cut after the last character of the context; `context + question` is the whole `input`. */
export interface SplitPrompt {
  readonly context: string
  readonly question: string
}

/** What the question of a task starts with: official wording first, then that of our own templates. */
function questionHeads(task: RulerTask): readonly string[] {
  if (task.startsWith('niah'))
    return ['\nWhat is the special magic', '\nWhat are all the special magic', '\nQuestion: ']
  if (task.startsWith('qa')) return ['\n\nAnswer the question based on', '\n\nQuestion: ']
  return ['\nQuestion: ']
}

/**
 * Context and question of a sample, for protocols that compress the context before they know the question. Files that
 * tell the two apart are taken at their word; else the last head of a question divides them.
 *
 * @returns null when the prompt has no known form
 */
export function splitQuestion(sample: Pick<RulerSample, 'task' | 'input' | 'split'>): SplitPrompt | null {
  if (sample.split !== undefined) return sample.split
  for (const head of questionHeads(sample.task)) {
    const cut = sample.input.lastIndexOf(head)
    if (cut >= 0) return { context: sample.input.slice(0, cut), question: sample.input.slice(cut) }
  }
  return null
}
