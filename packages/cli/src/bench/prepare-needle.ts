import { specIdOf, type NamedSpec, type SampleRecord } from '@qpkv/bench-kit'
import {
  countSamples,
  defaultDepths,
  depthGrid,
  gridIdentity,
  gridSamples,
  lengthGrid,
  needleRow,
  needleTable,
  plainForm,
  promptForms,
  readEssays,
  referenceIdentity,
  runGrid,
  runReference,
  summarizeRows,
  tableText,
  type GridOptions,
  type NeedleTask,
} from '@qpkv/bench-needle'
import { KvError } from '@qpkv/spec'
import { modelIdentity } from '../output/bench-versions.ts'
import { table } from '../output/text-table.ts'
import { OptionReader } from './option-reader.ts'
import type { BenchTools, PreparedBench, PrepareBench } from './prepared-bench.ts'
import { PROTOCOLS } from './protocols.ts'

const FORMS = ['reference-world', 'plain', ...Object.keys(promptForms)] as const

/** `form: reference-world` (default) hides numbers in texts of the bundled world; the others run the originals' grid over a haystack. */
export const prepareNeedle: PrepareBench = (json, tools) => {
  const reader = new OptionReader(json, 'needle')
  const form = reader.choice('form', FORMS, 'reference-world')
  return form === 'reference-world' ? prepareWorld(reader, tools) : prepareGrid(reader, form, tools)
}

async function prepareWorld(reader: OptionReader, { model, modelName }: BenchTools): Promise<PreparedBench> {
  const protocol = reader.choice('protocol', PROTOCOLS, 'query-aware')
  const task: NeedleTask = {
    protocol,
    seed: reader.whole('seed', 0) ?? 1,
    lengths: reader.wholes('lengths', 64) ?? [2048],
    samples: reader.whole('samples') ?? 100,
    keys: reader.whole('keys') ?? 16,
    questions: reader.whole('questions') ?? (protocol === 'query-aware' ? 1 : 4),
    depths: reader.wholes('depths', 0) ?? [...defaultDepths],
  }
  reader.done()
  if (protocol === 'query-aware' && task.questions > 1) {
    throw new KvError('KV_INVALID_OPTION', 'A prompt that holds its question has only one.', {
      hint: 'Set "questions" to 1, or "protocol" to "query-agnostic".',
    })
  }
  const identity = referenceIdentity([{ task, rows: [] }], await modelIdentity(model, modelName))
  const samples = countSamples([{ task, rows: [] }])
  const perLength = samples / task.lengths.length
  return {
    identity: { ...identity, task: { ...identity.task, notice: worldNotice } },
    samples,
    cost: {
      promptTokens: task.lengths.reduce((sum, length) => sum + length * perLength, 0),
      newTokens: samples * task.questions * 14,
    },
    problems: [],
    run: async ({ specs, ...run }) => {
      const rows = specs.map(({ spec, label }) => needleRow(spec, label))
      const [result] = await runReference({ model, parts: [{ task, rows }], ...run })
      return result?.records ?? []
    },
    table: (records, specs) => {
      const rows = specs.map(({ spec, label }) => needleRow(spec, label))
      return task.lengths
        .map(
          (length) => `${tableText(needleTable(summarizeRows(records, rows, length), `${length} tokens`))}\n`,
        )
        .join('\n')
    },
  }
}

const worldNotice = 'made with texts of the bundled world: no benchmark score'

const SAN_FRANCISCO = {
  needle:
    '\nThe best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny day.\n',
  question: 'The best thing to do in San Francisco is: ',
  expected: 'eat a sandwich and sit in Dolores Park on a sunny day.',
}

async function prepareGrid(
  reader: OptionReader,
  form: string,
  { model, modelName }: BenchTools,
): Promise<PreparedBench> {
  const essays = reader.text('essays')
  const order = reader.choice('order', ['sorted', 'listed'], 'sorted')
  const seed = reader.whole('seed', 0) ?? 1
  const depths = reader.wholes('depths', 0)
  const count = reader.whole('depthCount') ?? 10
  const schedule = reader.choice('depthSchedule', ['linear', 'sigmoid'], 'linear')
  const maxTokens = reader.whole('newTokens') ?? 30
  const options: GridOptions = {
    model,
    haystack: essays === undefined ? { seed } : { essays: await readEssays(essays, order) },
    lengths: lengthsOf(reader),
    depths: depths ?? depthGrid(count, schedule),
    needles: reader.texts('needles') ?? [SAN_FRANCISCO.needle],
    question: reader.text('question') ?? SAN_FRANCISCO.question,
    expected: reader.text('expected') ?? SAN_FRANCISCO.expected,
    form: form === 'plain' ? plainForm : promptForms[form as keyof typeof promptForms],
    protocol: reader.choice('protocol', PROTOCOLS, 'query-aware'),
    buffer: reader.whole('buffer', 0) ?? 200,
    profile: reader.choice('profile', ['official', 'qpruningkv'], 'official'),
  }
  const ends = reader.wholes('sentenceEnds', 0)
  reader.done()
  const grid = { ...options, ...(ends === undefined ? {} : { sentenceEnds: ends }) }
  const samples = gridSamples(grid).length
  return {
    identity: gridIdentity({ ...grid, maxTokens }, await modelIdentity(model, modelName)),
    samples,
    cost: {
      promptTokens: options.lengths.reduce((sum, length) => sum + length * options.depths.length, 0),
      newTokens: samples * maxTokens,
    },
    problems: [],
    run: ({ specs, ...run }) => runGrid({ ...grid, maxTokens, rows: specs, ...run }),
    table: gridTable,
  }
}

/** A list, or `from`, `to` and `step` as the originals' flags have them. */
function lengthsOf(reader: OptionReader): number[] {
  const lengths = reader.wholes('lengths')
  const [from, to, step] = [reader.whole('from'), reader.whole('to'), reader.whole('step')]
  if (lengths !== undefined) return lengths
  return lengthGrid({ from: from ?? 1000, to: to ?? from ?? 2000, step: step ?? 1000 })
}

/** A row per spec: the mean of each score over all cells. */
function gridTable(records: readonly SampleRecord[], specs: readonly NamedSpec[]): string {
  const names = ['overlap', 'rouge1', 'exact'] as const
  return table(
    ['spec', ...names.map((name) => (name === 'rouge1' ? 'rouge1 x 10' : name)), 'cells'],
    specs.map(({ label, spec }) => {
      const mine = records.filter((record) => record.spec === specIdOf(spec))
      const mean = (name: string) =>
        mine.reduce((sum, { answers }) => sum + (answers[0]?.scores[name] ?? 0), 0) / mine.length
      return [
        label,
        ...names.map((name) => (mean(name) * (name === 'rouge1' ? 10 : 1)).toFixed(3)),
        String(mine.length),
      ]
    }),
  )
}
