import {
  tableText,
  tokenizerOf,
  type BenchPrompt,
  type BenchSample,
  type BenchTools,
  type NamedSpec,
} from '@qpkv/bench-kit'
import type { Prepared, Question, SampleRecord, Scores } from '@qpkv/bench-kit'
import { isRight, needleCaseId, needleCases, type NeedleCaseOptions } from '@qpkv/reference-model'
import { KvError } from '@qpkv/spec'
import type { NeedleOptions, NeedleValues } from '../options.ts'
import { needleTable } from '../summary/needle-table.ts'
import { summarizeRows } from '../summary/summarize.ts'
import { needleRow } from './rows.ts'

/** Longest answer in tokens: a number, its full stop and room to go wrong, as in the test vectors. */
const MAX_TOKENS = 14

/**
 * Depths of the heat map: the middles of five equal parts, so that numbers lie as evenly as at random and none within the tokens that a
 * pruner protects at the end.
 */
export const defaultDepths: readonly number[] = [10, 30, 50, 70, 90]

/** The middles of equal parts, per cent. */
const middles = (count: number) =>
  Array.from({ length: count }, (_, i) => Math.round(((i + 0.5) * 100) / count))

export interface WorldSample extends BenchSample {
  readonly options: NeedleCaseOptions
}

export interface WorldState {
  ask(sample: BenchSample): BenchPrompt
  score(reply: string, question: Question): Scores
  table(records: readonly SampleRecord[], specs: readonly NamedSpec[]): string
  readonly write?: undefined
}

/** Cases of the bundled world. The score is `exact`: the reply begins with ` NUMBER.` */
export async function prepareWorld(
  values: NeedleValues,
  { model }: BenchTools,
): Promise<Prepared<NeedleOptions, WorldState, WorldSample>> {
  const { protocol, seed, keys = 16, lengths = [2048], samples = 100 } = values
  const agnostic = protocol === 'query-agnostic'
  const questions = values.questions ?? (agnostic ? Math.min(4, keys) : 1)
  refuseQuestions(agnostic, questions, keys)
  const depths = depthsOf(values.depths)
  const tokenizer = tokenizerOf(model)
  const all = lengths.flatMap((tokens, at) => {
    const count = typeof samples === 'number' ? samples : (samples[at] ?? 0)
    const options: NeedleCaseOptions = {
      seed,
      tokens,
      keys,
      protocol,
      questionsPerText: questions,
      samples: 1,
      depths: depths.map((depth) => depth / 100),
      countTokens: (text) => tokenizer.encode(text, { special: false }).length,
    }
    return Array.from({ length: count }, (_, from): WorldSample => ({
      id: `${protocol}/${needleCaseId(options, from)}`,
      facets: { protocol, length: tokens },
      size: { prompt: tokens, answers: questions * MAX_TOKENS },
      options: { ...options, from },
    }))
  })
  const rule = { maxTokens: MAX_TOKENS, stopTokens: model.generationDefaults.stopTokens }
  return {
    samples: all,
    options: { form: 'reference-world', lengths, depths, keys, questions, samples },
    notice: 'made with texts of the bundled world: no benchmark score',
    state: {
      ask(sample) {
        const [one] = needleCases((sample as WorldSample).options)
        if (!one) throw new RangeError('Expected one case.')
        return {
          ids: tokenizer.encode(one.prompt),
          questions: one.questions.map(({ text, key, answer, depth, wantedDepth }) => ({
            id: key,
            facets: { depth: Math.round((wantedDepth ?? depth) * 100) },
            text,
            expected: answer,
            rule,
          })),
        }
      },
      score: (reply, { expected }) => ({ exact: isRight(reply, expected) ? 1 : 0 }),
      table: (records, specs) => {
        const rows = specs.map(({ spec, label }) => needleRow(spec, label))
        return lengths
          .map(
            (length) =>
              `${tableText(needleTable(summarizeRows(records, rows, length), `${length} tokens`))}\n`,
          )
          .join('\n')
      },
    },
  }
}

function depthsOf(given: NeedleValues['depths']): readonly number[] {
  if (given === undefined) return defaultDepths
  const depths = typeof given === 'number' ? middles(given) : given
  if (depths.every((depth) => Number.isInteger(depth)) && new Set(depths).size === depths.length)
    return depths
  throw new KvError('KV_INVALID_OPTION', 'Expected whole depths that differ from each other.')
}

function refuseQuestions(agnostic: boolean, questions: number, keys: number): void {
  if (!agnostic && questions > 1)
    throw new KvError('KV_INVALID_OPTION', 'A prompt that holds its question has only one.', {
      hint: 'Add --agnostic to ask several questions of one compressed text.',
    })
  if (questions > keys)
    throw new KvError('KV_INVALID_OPTION', `${keys} hidden numbers cannot be asked for ${questions} times.`, {
      hint: 'Set "questions" to at most "keys".',
    })
}
