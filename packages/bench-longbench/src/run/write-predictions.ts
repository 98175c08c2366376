import { mkdirSync, writeFileSync } from 'node:fs'
import { printBudget } from '@qpkv/spec'
import { basename, dirname, join } from 'node:path'
import { fileName, specIdOf, type NamedSpec, type SampleRecord } from '@qpkv/bench-kit'
import type { PredictionLayout } from '../predictions/find-files.ts'
import { officialPath, qpruningkvPath } from '../predictions/find-files.ts'
import { officialLine, qpruningkvLine } from '../predictions/prediction.ts'
import type { LongBenchInput } from './longbench-input.ts'

export interface PredictionOptions {
  readonly layout: PredictionLayout
  readonly model: string
  /** Layout `qpruningkv`: the capacity in the folder's name and the name of the file. */
  readonly budget?: number | string
  readonly method?: string
}

/**
 * Writes the predictions of one spec in an original's layout, for that code's own scorer. The prompt itself is not kept in records;
 * the field is empty in the layout `qpruningkv`, whose scorer does not read it.
 * @returns the files written
 */
export function writePredictions(
  folder: string,
  records: readonly SampleRecord[],
  inputs: readonly LongBenchInput[],
  { layout, model, budget = 0, method = 'qpkv' }: PredictionOptions,
): string[] {
  const replies = new Map(
    records.map(({ sample, answers }) => [sample.slice(sample.indexOf('/') + 1), answers[0]?.reply ?? '']),
  )
  const files = new Map<string, string[]>()
  for (const { row, dataset, even } of inputs) {
    const name = `${dataset.name}${even ? '_e' : ''}`
    const reply = replies.get(`${name}/${row.id}`)
    if (reply === undefined) continue
    const path =
      layout === 'official'
        ? officialPath(model, dataset.name, even ? 'even' : 'natural')
        : qpruningkvPath(model, budget, dataset.name, method)
    const line = layout === 'official' ? officialLine(row, reply) : qpruningkvLine(row, '', reply)
    files.set(path, [...(files.get(path) ?? []), `${line}\n`])
  }
  return [...files].map(([path, lines]) => {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, lines.join(''))
    return file
  })
}

/** Tokens, or another budget in its text form; `full` without one. */
function capacityOf({ budget }: NamedSpec['spec']): number | string {
  if (budget === undefined) return 'full'
  return 'tokens' in budget ? budget.tokens : fileName(printBudget(budget))
}

/** The files of every spec. The official layout has no place for a method: with several specs each has a folder of its own. */
export const predictionFiles = (
  { folder, layout }: { readonly folder: string; readonly layout: string },
  records: readonly SampleRecord[],
  specs: readonly NamedSpec[],
  inputs: readonly LongBenchInput[],
  modelName: string,
): string[] =>
  specs.flatMap(({ spec, label }) => {
    const below = layout === 'official' && specs.length > 1 ? join(folder, fileName(label)) : folder
    const mine = records.filter((record) => record.spec === specIdOf(spec))
    return writePredictions(below, mine, inputs, {
      layout: layout as PredictionLayout,
      model: basename(modelName),
      method: fileName(label),
      budget: capacityOf(spec),
    })
  })
