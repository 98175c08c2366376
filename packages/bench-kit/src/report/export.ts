import { isPlainObject, KvError, type JsonObject } from '@qpkv/spec'
import { collectResults, type Results } from '../result/read-results.ts'
import { upgradeLines } from '../result/upgrade.ts'
import { specColumns } from './spec-columns.ts'

/** One flat row per answer: methods, budget, facets and scores become columns. */
export function flatRows(results: Results): Readonly<Record<string, string | number>>[] {
  const { runId, identity, machine } = results.header
  const { options } = identity.task
  const seed = isPlainObject(options) ? options['seed'] : undefined
  return results.records.flatMap((record) => {
    const line = results.specs.get(record.spec)
    const plan = record.plan === undefined ? undefined : results.plans.get(record.plan)?.plan
    return record.answers.map((answer) => ({
      run: runId,
      bench: identity.bench,
      model: identity.model.name,
      ...(typeof seed === 'number' && { seed }),
      spec: line?.label ?? record.spec,
      ...(line && specColumns(line.spec, plan)),
      sample: record.sample,
      answer: answer.id,
      ...record.facets,
      ...answer.facets,
      ...answer.scores,
      promptTokens: record.promptTokens,
      tokensKept: record.tokensKept,
      bytesPlanned: record.bytes.planned,
      bytesAllocated: record.bytes.allocated,
      bytesGrown: record.bytes.grown,
      bytesFull: record.bytes.full,
      ...(record.bits ? { bitsNominal: record.bits.nominal, bitsTrue: record.bits.true } : {}),
      ...record.timings,
      ...(record.peakRssBytes === undefined ? {} : { peakRssBytes: record.peakRssBytes }),
      machine: `${machine.cpu}, ${machine.cores} cores`,
      expected: answer.expected,
      reply: answer.reply,
    }))
  })
}

/** RFC 4180 with a header line; columns in order of first appearance, missing fields empty. */
export function toCsv(rows: readonly Readonly<Record<string, string | number>>[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const cell = (value: string | number | undefined) => {
    const text = String(value ?? '')
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  const lines = rows.map((row) => columns.map((column) => cell(row[column])).join(','))
  return `${[columns.map((column) => cell(column)).join(','), ...lines].join('\r\n')}\r\n`
}

/** The whole file as one JSON document: header, specs and plans by id, records. */
export const toJsonDocument = (results: Results): JsonObject =>
  JSON.parse(
    JSON.stringify({
      header: { ...results.header, extent: results.extent },
      specs: Object.fromEntries(results.specs),
      plans: Object.fromEntries(results.plans),
      records: results.records,
      failures: results.failures,
    }),
  ) as JsonObject

/** Results from what `toJsonDocument` made, checked like a result file. Throws KvError KV_RESULT_FILE. */
export function fromJsonDocument(value: unknown, path: string): Results {
  const { header, specs, plans, records, failures = [] } = isPlainObject(value) ? value : {}
  if (
    !isPlainObject(header) ||
    !isPlainObject(specs) ||
    !isPlainObject(plans) ||
    !Array.isArray(records) ||
    !Array.isArray(failures)
  ) {
    throw new KvError('KV_RESULT_FILE', `${path}: expected header, specs, plans and records.`, {
      hint: 'Give a .jsonl result file, or a .json that --json wrote of one.',
    })
  }
  const parts: unknown[] = [header, ...Object.values(specs), ...Object.values(plans), ...records, ...failures]
  const lines = parts.map((part) => (isPlainObject(part) ? (part as JsonObject) : {}))
  return collectResults(upgradeLines(lines, path), path)
}
