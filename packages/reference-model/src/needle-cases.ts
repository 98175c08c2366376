import { needleText, type Depth } from './needle-text.ts'
import { facts, type Fact } from './world/fact.ts'
import { question, questionText } from './world/question.ts'
import { WorldRandom } from './world/random.ts'

/** `query-aware`: the prompt holds the question. `query-agnostic`: the prompt is the text alone, questions come afterwards. */
export type NeedleProtocol = 'query-aware' | 'query-agnostic'

export interface NeedleCaseOptions {
  /** Same seed, same cases; a case does not depend on how many come after it. */
  readonly seed: string | number
  /** Tokens of text, one question and its answer together, beginning-of-text token included; the text fills what is left. */
  readonly tokens: number
  /** Numbers hidden in every text. */
  readonly keys: number
  /** How many texts. */
  readonly samples: number
  /** Tokens of a text, special tokens not counted. */
  readonly countTokens: (text: string) => number
  readonly protocol: NeedleProtocol
  /** Default 1; more than one only in the query-agnostic protocol. */
  readonly questionsPerText?: number
  /** Shares of the haystack in [0, 1] at which asked numbers lie, in turn over all questions; left out: anywhere. */
  readonly depths?: readonly number[]
  /** First sample's index; lets a later call go on where an earlier one ended. Default 0. */
  readonly from?: number
}

/** One question of a case. */
export interface NeedleQuestion {
  /** Appended to the compressed context; empty when the prompt already ends with it. */
  readonly text: string
  readonly key: string
  /** A reply is right when it begins with a space, this number and a full stop. */
  readonly answer: string
  /** Where the number really lies: tokens before it / tokens of the text. */
  readonly depth: number
  /** What `depths` asked for; absent when it lies anywhere. */
  readonly wantedDepth?: number
}

/** A text of the form of the trade-off test vectors with its questions. */
export interface NeedleCase {
  readonly id: string
  readonly protocol: NeedleProtocol
  /** What is prefilled and compressed; the tokenizer puts its beginning-of-text token in front. */
  readonly prompt: string
  /** Tokens of the prompt, beginning-of-text token included. */
  readonly promptTokens: number
  readonly questions: readonly NeedleQuestion[]
}

const BEGIN_TOKENS = 1
const STOP_TOKENS = 1

/**
 * Whole texts with only numbers hidden in them and no instruction: `" Sentence. Sentence."`, then
 * `\nQuestion: …?\nAnswer: The special magic number for KEY is` in one of two wordings.
 * @throws RangeError for contradicting options or a text too short for its numbers.
 */
export function needleCases(options: NeedleCaseOptions): NeedleCase[] {
  checkOptions(options)
  const from = options.from ?? 0
  return Array.from({ length: options.samples }, (_, i) => needleCase(options, from + i))
}

function checkOptions({ keys, samples, questionsPerText = 1, protocol, depths }: NeedleCaseOptions): void {
  if (!Number.isInteger(samples) || samples < 0) {
    throw new RangeError(`Expected a whole number of samples but received ${samples}.`)
  }
  if (!Number.isInteger(keys) || keys < 1) {
    throw new RangeError(`Expected keys to be a whole number of 1 or more but received ${keys}.`)
  }
  if (!Number.isInteger(questionsPerText) || questionsPerText < 1 || questionsPerText > keys) {
    throw new RangeError(
      `Expected 1 to ${keys} questions per text (as many as keys) but received ${questionsPerText}.`,
    )
  }
  if (protocol === 'query-aware' && questionsPerText > 1) {
    throw new RangeError(
      'Expected one question per text in the query-aware protocol; use query-agnostic for more.',
    )
  }
  const outside = depths?.find((depth) => !(depth >= 0 && depth <= 1))
  if (outside !== undefined || depths?.length === 0) {
    throw new RangeError(`Expected depths between 0 and 1 but received ${outside ?? 'an empty list'}.`)
  }
}

/** Id of case `index`, known before its text is made. */
export const needleCaseId = (
  { tokens, keys, seed }: Pick<NeedleCaseOptions, 'tokens' | 'keys' | 'seed'>,
  index: number,
): string => `${tokens}-${keys}-${seed}-${index}`

function needleCase(options: NeedleCaseOptions, index: number): NeedleCase {
  const { tokens, keys, protocol, countTokens, depths, questionsPerText = 1 } = options
  const id = needleCaseId(options, index)
  const random = new WorldRandom(`${protocol}/${id}`)
  const hidden = facts(random, 'number', keys) // the first ones are asked
  const asked = hidden.slice(0, questionsPerText).map((fact) => ask(random, fact))
  const wanted = asked.map((_, i) => depths?.[(index * questionsPerText + i) % depths.length])
  const reserve = Math.max(
    ...asked.map(({ text, fact }) => countTokens(text) + countTokens(` ${fact.value}.`) + STOP_TOKENS),
  )
  const body = needleText({
    random,
    facts: hidden,
    depths: hidden.map((_, i): Depth => wanted[i] ?? 'anywhere'),
    tokens: tokens - BEGIN_TOKENS - reserve,
    countTokens,
  })
  const aware = protocol === 'query-aware'
  const suffix = aware ? asked.map(({ text }) => text).join('') : ''
  const questions = asked.map(({ text, fact }, i): NeedleQuestion => {
    const wantedDepth = wanted[i]
    return {
      text: aware ? '' : text,
      key: fact.key,
      answer: fact.value,
      depth: body.depths[i] ?? 0,
      ...(wantedDepth === undefined ? {} : { wantedDepth }),
    }
  })
  const promptTokens = BEGIN_TOKENS + body.tokens + (aware ? countTokens(suffix) : 0)
  return { id, protocol, prompt: body.text + suffix, promptTokens, questions }
}

function ask(random: WorldRandom, fact: Fact): { fact: Fact; text: string } {
  const wording = random.pick(['plain', 'mentioned'] as const)
  return { fact, text: questionText(question(fact, wording)) }
}
