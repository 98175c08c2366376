import type { NamedSpec, Results, RunIdentity } from '@qpkv/bench-kit'
import {
  countSamples,
  defaultDepths,
  needleRow,
  needleTable,
  partsOfResults,
  referenceIdentity,
  runReference,
  summarizeRows,
  tableText,
  type NeedleRow,
  type NeedleTask,
} from '@qpkv/bench-needle'
import { KvError } from '@qpkv/spec'
import { modelIdentity } from '../output/bench-versions.ts'
import type { OptionReader } from './option-reader.ts'
import type { BenchTools, PreparedBench } from './prepared-bench.ts'
import { PROTOCOLS } from './protocols.ts'

const worldNotice = 'made with texts of the bundled world: no benchmark score'

/** Longest answer in tokens, for estimates. */
const ANSWER_TOKENS = 14

/** Numbers hidden in texts of the bundled world. */
export async function prepareNeedleWorld(reader: OptionReader, tools: BenchTools): Promise<PreparedBench> {
  const protocol = reader.choice('protocol', PROTOCOLS, 'query-aware')
  const count = reader.whole('depthCount')
  const keys = reader.whole('keys') ?? 16
  const task: NeedleTask = {
    protocol,
    seed: reader.whole('seed', 0) ?? 1,
    lengths: reader.wholes('lengths', 64) ?? [2048],
    samples: reader.whole('samples') ?? 100,
    keys,
    questions: reader.whole('questions') ?? (protocol === 'query-aware' ? 1 : Math.min(4, keys)),
    depths: reader.wholes('depths', 0, 100) ?? (count === undefined ? [...defaultDepths] : middles(count)),
  }
  reader.done()
  if (protocol === 'query-aware' && task.questions > 1) {
    throw new KvError('KV_INVALID_OPTION', 'A prompt that holds its question has only one.', {
      hint: 'Set "questions" to 1, or "protocol" to "query-agnostic".',
    })
  }
  if (task.questions > keys) {
    throw new KvError(
      'KV_INVALID_OPTION',
      `${keys} hidden numbers cannot be asked for ${task.questions} times.`,
      {
        hint: 'Set "questions" to at most "keys".',
      },
    )
  }
  const identity = referenceIdentity([{ task, rows: [] }], await modelIdentity(tools.model, tools.modelName))
  return preparedParts([{ task }], { ...identity, task: { ...identity.task, notice: worldNotice } }, tools)
}

/** The middles of equal parts, per cent: five of them are 10 30 50 70 90. */
const middles = (count: number) =>
  Array.from({ length: count }, (_, i) => Math.round(((i + 0.5) * 100) / count))

/** The parts of a result file once more, each under its own specs. Throws KvError KV_RESULT_FILE for another benchmark's. */
export async function prepareNeedleParts(results: Results, tools: BenchTools): Promise<PreparedBench> {
  const model = await modelIdentity(tools.model, tools.modelName)
  return preparedParts(partsOfResults(results), { ...results.header.identity, model }, tools)
}

interface WorldPart {
  readonly task: NeedleTask
  /** Default: the run's specs. */
  readonly rows?: readonly NeedleRow[]
}

function preparedParts(
  parts: readonly WorldPart[],
  identity: RunIdentity,
  { model }: BenchTools,
): PreparedBench {
  const rowsOf = (part: WorldPart, specs: readonly NamedSpec[]) =>
    part.rows ?? specs.map(({ spec, label }) => needleRow(spec, label))
  return {
    identity,
    samples: countSamples(parts.map(({ task }) => ({ task, rows: [] }))),
    cost: {
      promptTokens: parts.reduce((sum, { task }) => sum + promptTokens(task), 0),
      newTokens: parts.reduce(
        (sum, { task }) => sum + countSamples([{ task, rows: [] }]) * task.questions * ANSWER_TOKENS,
        0,
      ),
    },
    problems: [],
    run: async ({ specs, ...run }) => {
      const asked = parts.map((part) => ({ task: part.task, rows: rowsOf(part, specs) }))
      const results = await runReference({ model, parts: asked, ...run })
      return results.flatMap(({ records }) => records)
    },
    table: (records, specs) =>
      parts
        .flatMap((part) => {
          const { protocol, lengths } = part.task
          const mine = records.filter(({ facets }) => facets['protocol'] === protocol)
          return lengths.map((length) => {
            const caption = parts.length === 1 ? `${length} tokens` : `${length} tokens, ${protocol}`
            return `${tableText(needleTable(summarizeRows(mine, rowsOf(part, specs), length), caption))}\n`
          })
        })
        .join('\n'),
  }
}

const promptTokens = (task: NeedleTask) =>
  task.lengths.reduce((sum, length, at) => {
    const count = typeof task.samples === 'number' ? task.samples : (task.samples[at] ?? 0)
    return sum + length * count
  }, 0)
