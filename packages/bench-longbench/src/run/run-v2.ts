import {
  askModel,
  contentHash,
  encodePrompt,
  runSamples,
  tokenizerOf,
  type BenchSample,
  type ModelIdentity,
  type RunIdentity,
  type SampleRecord,
} from '@qpkv/bench-kit'
import type { JsonObject } from '@qpkv/spec'
import { truncateMiddleJoined } from '../prompt/truncate-middle.ts'
import { v2Accuracy, type V2Accuracy } from '../v2/accuracy.ts'
import { extractAnswer } from '../v2/extract-answer.ts'
import { fillV2Template, v2Run } from '../v2/fill-template.ts'
import type { LongBenchV2Row } from '../v2/row.ts'
import type { RunLongBenchOptions } from './longbench-run.ts'

export interface V2Rules {
  readonly protocol: 'query-aware' | 'query-agnostic'
  /** 120 000 unless given. */
  readonly maxPromptTokens?: number
  /** 128 unless given. */
  readonly newTokens?: number
}

export interface RunV2Options extends Pick<
  RunLongBenchOptions,
  'model' | 'specs' | 'writer' | 'workers' | 'signal' | 'progress' | 'onError'
> {
  readonly rows: readonly LongBenchV2Row[]
  /** Text of an official prompt file with `$DOC$`, `$Q$`, `$C_A$` … */
  readonly template: string
  readonly rules: V2Rules
}

export const v2Identity = (
  { rows, template, rules }: Pick<RunV2Options, 'rows' | 'template' | 'rules'>,
  source: JsonObject,
  model: ModelIdentity,
): RunIdentity => ({
  bench: 'longbench-v2',
  task: {
    ...(JSON.parse(JSON.stringify(rules)) as JsonObject),
    source,
    data: contentHash(rows.map(({ id, question, context, answer }) => [id, question, context, answer])),
    prompts: contentHash(template),
  },
  model,
})

/**
 * Runs multiple-choice questions under all specs, one prefill per question. Greedy, where the official run samples at temperature 0.1.
 * The score is `right`, 0 or 1, by the official extraction of the letter.
 */
export function runV2(options: RunV2Options): Promise<readonly SampleRecord[]> {
  const { model, rows, specs, writer, workers, signal, progress } = options
  return runSamples({
    samples: rows.map((row) => sampleOf(row, options)),
    specs,
    writer,
    ask: askModel(model),
    onError: options.onError ?? 'continue',
    workers,
    signal,
    progress,
  })
}

function sampleOf(row: LongBenchV2Row, { model, template, rules }: RunV2Options): BenchSample {
  const { protocol, maxPromptTokens = v2Run.maxPromptTokens, newTokens = v2Run.maxNewTokens } = rules
  return {
    id: `${protocol}/${row.id}`,
    facets: { protocol, difficulty: row.difficulty, size: row.length },
    place: `question ${row.id}`,
    render: async () => {
      const filled = fillV2Template(template, row)
      const question = filled.text.slice(filled.contextEnd)
      const content = truncateMiddleJoined(filled.text, maxPromptTokens, tokenizerOf(model)).text
      const at = content.endsWith(question) ? content.length - question.length : null
      const parts = {
        content,
        contextEnd: at,
        answerPrefix: '',
        chat: model.chatTemplate !== undefined,
        special: true,
      }
      return {
        ...(await encodePrompt(model, parts, protocol)),
        expected: row.answer,
        rule: { maxTokens: newTokens, stopTokens: model.generationDefaults.stopTokens },
        score: (reply: string) => ({ right: extractAnswer(reply) === row.answer ? 1 : 0 }),
      }
    },
  }
}

/** The official accuracy table of one spec from a run's records. */
export function v2Scores(
  records: readonly SampleRecord[],
  rows: readonly LongBenchV2Row[],
  spec: string,
): V2Accuracy {
  const byId = new Map(rows.map((row) => [row.id, row]))
  return v2Accuracy(
    records.flatMap((record) => {
      const row = byId.get(record.sample.slice(record.sample.indexOf('/') + 1))
      if (record.spec !== spec || !row) return []
      return [{ row, chosen: extractAnswer(record.answers[0]?.reply ?? '') }]
    }),
  )
}
