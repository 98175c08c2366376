import { isPlainObject, KvError, type Json, type JsonObject } from '@qpkv/spec'
import { canonicalJson } from '../content-hash.ts'
import type { Results } from '../result/read-results.ts'
import type { Report, ReportSection, Table } from './html-report.ts'
import { againstFull } from './against-full.ts'
import { budgetTables } from './budget-tables.ts'
import { overviewSection } from './overview.ts'
import { sectionFigures, type NamedFigure } from './section-figures.ts'
import { facetTables, specTable, summaryTable } from './section-tables.ts'
import { summarizeSpecs, type SpecSummary } from './spec-summary.ts'

export interface ResultsReportOptions {
  readonly title?: string
  /** Which score is shown. Default: the first of each file. */
  readonly metric?: string
  /** Paragraphs of a last section. */
  readonly notes?: readonly string[]
}

/** One model, benchmark and protocol of the files. */
export interface ReportPart {
  /** `reference, needle, query-aware` */
  readonly title: string
  readonly metric: string
  readonly summaries: readonly SpecSummary[]
  readonly figures: readonly NamedFigure[]
  readonly results: Results
}

/**
 * One page for any result files: what fits into equal bytes, then per model, benchmark and protocol a
 * table, quality against real bytes with prune-only, quantize-only and joint frontiers, a plot per pruner,
 * and heat maps where samples have a length and a depth.
 * @throws KvError KV_DATA without any record
 */
export function resultsReport(files: readonly Results[], options: ResultsReportOptions = {}): Report {
  const parts = reportParts(files, options.metric)
  if (parts.length === 0) {
    throw new KvError('KV_DATA', `Nothing to report: no records in ${files.length} result files.`, {
      hint: 'Point to a folder of .jsonl files that a qpkv benchmark wrote.',
    })
  }
  const unique = (values: readonly string[]) => [...new Set(values)].join(', ')
  const headers = files.map(({ header }) => header)
  const failures = files.reduce((sum, file) => sum + unresolved(file), 0)
  return {
    title: options.title ?? 'Quality against real bytes',
    facts: [
      ['Models', unique(headers.map(({ identity }) => identity.model.name))],
      ['Benchmarks', unique(headers.map(({ identity }) => identity.bench))],
      ['Machines', unique(headers.map(({ machine }) => `${machine.cpu}, ${machine.cores} cores`))],
      ['Records', files.reduce((sum, { records }) => sum + records.length, 0).toLocaleString('en-US')],
      ['Missing results', String(failures)],
    ],
    sections: [...overviewSection(parts), ...parts.map(sectionOf), ...notesSection(options.notes)],
    footer: files.map(({ path, header }) => `${path} (run ${header.runId})`).join(' · '),
  }
}

const modelName = ({ header }: Results) => header.identity.model.name

/**
 * Parts sorted by model, one per protocol of a file. Files that differ in their seed alone are one part. Titles that occur twice name the
 * options that differ.
 */
export function reportParts(files: readonly Results[], metric?: string): ReportPart[] {
  const order = (a: Results, b: Results) =>
    modelName(a) < modelName(b) ? -1 : modelName(a) > modelName(b) ? 1 : 0
  const parts = pooled([...files].sort(order)).flatMap((file) => protocolsOf(file))
  return parts.flatMap(({ title, results }) => {
    const alike = parts.filter((one) => one.title === title).map((one) => optionsOf(one.results))
    return reportPart(results, alike.length > 1 ? `${title}, ${differences(results, alike)}` : title, metric)
  })
}

const optionsOf = ({ header: { identity } }: Results): JsonObject => {
  const { options } = identity.task
  return isPlainObject(options) ? options : identity.task
}

/** `lengths [512], keys 8`: what tells a run from others of its title; its id where that is no option. */
function differences(results: Results, alike: readonly JsonObject[]): string {
  const mine = optionsOf(results)
  const names = Object.keys(mine).filter((name) =>
    alike.some((other) => canonicalJson(other[name]) !== canonicalJson(mine[name])),
  )
  const text = names.map((name) => `${name} ${canonicalJson(mine[name]).replaceAll('"', '')}`).join(', ')
  return text === '' || text.length > 80 ? `run ${results.header.runId.slice(0, 6)}` : text
}

/** Results that differ in their seed alone become one; the seeds stand in the title. */
function pooled(files: readonly Results[]): Results[] {
  const groups = new Map<string, Results[]>()
  for (const file of files) {
    const { bench, task, model } = file.header.identity
    const { seed: _, ...options } = optionsOf(file)
    const same = 'options' in task && 'seed' in optionsOf(file)
    const { options: _options, data, ...rest } = task
    const { first: _first, ...read } = isPlainObject(data) ? data : {}
    const key = same ? canonicalJson({ bench, model, options, read, rest } as unknown as Json) : file.path
    groups.set(key, [...(groups.get(key) ?? []), file])
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (!first || group.length === 1) return group
    const seeds = group.map((file) => canonicalJson(optionsOf(file)['seed']))
    return [
      {
        ...first,
        path: group.map(({ path }) => path).join(', '),
        header: {
          ...first.header,
          identity: {
            ...first.header.identity,
            bench: `${first.header.identity.bench}, seeds ${seeds.join(' ')}`,
          },
        },
        specs: new Map(group.flatMap(({ specs }) => [...specs])),
        plans: new Map(group.flatMap(({ plans }) => [...plans])),
        records: group.flatMap(({ records }) => records),
        failures: group.flatMap(({ failures }) => failures),
      },
    ]
  })
}

/** The records of a file, a protocol each. */
function protocolsOf(results: Results): { readonly title: string; readonly results: Results }[] {
  const protocols = [...new Set(results.records.map(({ facets }) => facets['protocol']))]
  return protocols.map((protocol) => {
    const { identity } = results.header
    const names = [identity.model.name, identity.bench, ...(protocol === undefined ? [] : [String(protocol)])]
    const records = results.records.filter(({ facets }) => facets['protocol'] === protocol)
    return { title: names.join(', '), results: { ...results, records } }
  })
}

function reportPart(results: Results, title: string, wanted: string | undefined): ReportPart[] {
  const metric = wanted ?? firstMetric(results)
  const summaries = metric === undefined ? [] : summarizeSpecs(results, metric)
  if (metric === undefined || summaries.length === 0) return []
  return [{ title, metric, summaries, results, figures: sectionFigures(results, summaries, metric, title) }]
}

const firstMetric = ({ records }: Results) => Object.keys(records[0]?.answers[0]?.scores ?? {})[0]

function sectionOf({ title, metric, summaries, figures, results }: ReportPart): ReportSection {
  const notice = results.header.identity.task['notice']
  return {
    title,
    ...(typeof notice === 'string' ? { paragraphs: [`These samples are ${notice}.`] } : {}),
    figures,
    figuresFirst: true,
    tables: [
      ...budgetTables(summaries, metric),
      summaryTable(summaries, metric, againstFull(results, summaries, metric)),
      ...facetTables(results, summaries, metric),
      ...specTable(summaries),
    ].map((table) => fold(table)),
  }
}

/** Long tables are closed at first. */
const fold = (table: Table): Table =>
  table.rows.length <= LONG
    ? table
    : { ...table, folded: `${table.caption ?? 'Quality and cost'}: ${table.rows.length} rows` }

const LONG = 24

/** Sample and spec pairs that failed and did not succeed later. */
function unresolved({ failures, records }: Results): number {
  const done = new Set(records.map(({ sample, spec }) => `${sample}\0${spec}`))
  const failed = failures.flatMap(({ sample, specs }) => specs.map((spec) => `${sample}\0${spec}`))
  return new Set(failed.filter((key) => !done.has(key))).size
}

const notesSection = (notes: readonly string[] | undefined): ReportSection[] =>
  notes === undefined || notes.length === 0
    ? []
    : [{ title: 'What this says and what it does not', paragraphs: notes }]
