import { normalizeAnswer, qaF1, rougeL } from '@qpkv/bench-kit'

/** A reply against one right answer, 0 to 1. */
export type AnswerMetric = (reply: string, answer: string) => number

/** 1 where reply and answer are equal but for case, punctuation, articles and white space, as SQuAD's exact match. */
export const exact: AnswerMetric = (reply, answer) =>
  normalizeAnswer(reply) === normalizeAnswer(answer) ? 1 : 0

/** 1 where the answer's words stand in the reply one after the other, under the same rules. */
export const contains: AnswerMetric = (reply, answer) => {
  const wanted = normalizeAnswer(answer)
  return wanted !== '' && ` ${normalizeAnswer(reply)} `.includes(` ${wanted} `) ? 1 : 0
}

export const answerMetrics: Readonly<Record<string, AnswerMetric>> = {
  exact,
  f1: qaF1,
  'rouge-l': (reply, answer) => rougeL(reply, answer),
  contains,
}
