import type { TaskFamily } from '../tasks/task-definitions.ts'
import type { QuestionSet } from '../tasks/question-set.ts'

/** Prompt of a task family: `{context}`, `{query}` and the family's own slots, as in RULER's constants. */
export interface TaskTemplate {
  readonly template: string
  /** what the model is made to continue; the first ten characters must hold no slot */
  readonly answerPrefix: string
}

/** Every text that RULER's generators put into a sample, exchangeable as a whole. */
export interface RulerTemplates {
  readonly tasks: Readonly<Record<TaskFamily, TaskTemplate>>
  /** slots `{type_needle_v}` ("numbers") or `{type}` ("number"), `{key}`, `{value}` */
  readonly needle: string
  /** one line of meaningless haystack */
  readonly noise: string
  /** slots `{i}`, `{document}` */
  readonly document: string
  /** first link of a chain of variables; slots `{name}`, `{value}` */
  readonly assignment: string
  /** further link; slots `{name}`, `{previous}` */
  readonly copy: string
  /** replacements that turn the niah template into the singular, applied in order to every occurrence */
  readonly singular: readonly (readonly [from: string, to: string])[]
}

/** What the generators draw from. Parts that are absent fail only the tasks that need them. */
export interface RulerAssets {
  /** told in results: "own", or where the files came from */
  readonly name: string
  readonly templates: RulerTemplates
  readonly nouns: readonly string[]
  readonly adjectives: readonly string[]
  readonly verbs: readonly string[]
  /** larger word list, used by cwe when the others together are too short (64k and longer) */
  readonly englishWords?: readonly string[]
  /** all essays as one text */
  readonly essay?: string
  /** sentences of a text, in order, without the white space between them */
  readonly splitSentences?: (text: string) => string[]
  readonly squad?: QuestionSet
  readonly hotpotqa?: QuestionSet
}
