import { specIdOf, type NamedSpec, type SampleRecord } from '@qpkv/bench-kit'
import {
  depthGrid,
  gridIdentity,
  gridSamples,
  lengthGrid,
  plainForm,
  promptForms,
  readEssays,
  runGrid,
  toOriginal,
  writeOriginalFolder,
  type GridOptions,
} from '@qpkv/bench-needle'
import { join } from 'node:path'
import { modelIdentity } from '../output/bench-versions.ts'
import { fileName } from '../output/file-name.ts'
import { orDash, table } from '../output/text-table.ts'
import type { OptionReader } from './option-reader.ts'
import type { BenchTools, PreparedBench } from './prepared-bench.ts'
import { PROTOCOLS } from './protocols.ts'

/** What the papers' codes hide and ask. */
const SAN_FRANCISCO = {
  needle:
    '\nThe best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny day.\n',
  question: 'The best thing to do in San Francisco is: ',
  expected: 'eat a sandwich and sit in Dolores Park on a sunny day.',
}

/** The originals' grid of lengths x depths over essays, or over sentences of the bundled world. */
export async function prepareNeedleGrid(
  reader: OptionReader,
  form: string,
  { model, modelName }: BenchTools,
): Promise<PreparedBench> {
  const essays = reader.text('essays')
  const order = reader.choice('order', ['sorted', 'listed'], 'sorted')
  const seed = reader.whole('seed', 0) ?? 1
  const depths = reader.numbers('depths', 0, 100)
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
    writePredictions: async (folder, _layout, records, specs) => {
      const about = {
        model: modelName,
        needle: options.needles.join(' '),
        measuredAt: new Date().toISOString(),
      }
      const written = specs.map(({ spec, label }) => {
        const id = specIdOf(spec)
        const cells = records
          .filter((record) => record.spec === id)
          .map((record) => toOriginal(record, about))
        // The layout has no place for a method: with several rows each has a folder of its own.
        return writeOriginalFolder(specs.length > 1 ? join(folder, fileName(label)) : folder, cells)
      })
      return (await Promise.all(written)).flat()
    },
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
        ...names.map((name) => orDash(mean(name) * (name === 'rouge1' ? 10 : 1), 3)),
        String(mine.length),
      ]
    }),
  )
}
