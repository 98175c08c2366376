import type { Fact } from './fact.ts'

/** `plain`: "What is the special magic number for KEY?"; `mentioned`: "... for KEY mentioned in the provided text?". */
export type QuestionWording = 'plain' | 'mentioned'

/** What is asked about a fact, and how its answer begins. */
export interface Question {
  /** `What is the special magic number for amber-acorn?` */
  readonly text: string
  /** The beginning of the answer's sentence: `The special magic number for amber-acorn is`. */
  readonly lead: string
}

/** The question for a fact. Only magic values were trained with the `mentioned` wording. */
export function question(fact: Fact, wording: QuestionWording = 'plain'): Question {
  const topic = wording === 'mentioned' ? `${fact.topic} mentioned in the provided text` : fact.topic
  return { text: `What is the ${topic}?`, lead: `The ${topic} is` }
}

/** Raw-text form, appended to the text: `\nQuestion: …?\nAnswer: The special magic number for KEY is`. */
export const questionText = ({ text, lead }: Question): string => `\nQuestion: ${text}\nAnswer: ${lead}`

/** Bare beginning of the answer: `\nThe special magic number for KEY is`. */
export const leadText = ({ lead }: Question): string => `\n${lead}`

/** Chat form: the question closes the user turn, the reply begins with {@link Question.lead}. */
export const chatMessages = (
  context: string,
  { text }: Question,
): readonly { role: 'user'; content: string }[] => [{ role: 'user', content: `${context}\n${text}` }]

/** Whether a reply is right: it begins with a space, the value and a full stop. */
export const isRight = (reply: string, value: string): boolean => reply.startsWith(` ${value}.`)
