import type { SweepGrid, SweepTask } from '@qpkv/bench-kit'
import {
  checkSpec,
  describeValue,
  isPlainObject,
  KvError,
  parseBudgetText,
  parseMethodText,
  parseSpec,
  type CompressionSpec,
  type JsonObject,
  atPlace,
  refuseUnknown,
} from '@qpkv/spec'
import { readJson } from '../options/read-json.ts'

/** A grid and what its report says beside the numbers. */
export interface NamedGrid {
  readonly title: string
  /** Paragraphs for the end of the report. */
  readonly notes: readonly string[]
  readonly grid: SweepGrid
}

/**
 * Reads a grid file: `models`, `tasks` ({ bench, options }), and `specs` or `prune` x `quantize` x `budgets`.
 * Specs, methods and budgets are JSON or the text form.
 * @throws KvError KV_INVALID_SPEC with the file and the path in it
 */
export async function readGrid(path: string): Promise<NamedGrid> {
  return parseGrid(
    await readJson(path, 'Check the path; docs/results.grid.json of the repository is an example.'),
    path,
  )
}

function parseGrid(value: unknown, where: string): NamedGrid {
  if (!isPlainObject(value)) throw invalid(where, `holds no grid but ${describeValue(value)}`)
  const known = ['title', 'notes', 'models', 'tasks', 'specs', 'prune', 'quantize', 'budgets']
  at(where, () => {
    refuseUnknown(value, known, '', 'KV_INVALID_SPEC', 'field')
  })
  const list = <T>(name: string, read: (item: unknown, path: string) => T): T[] | undefined => {
    const items = value[name]
    if (items === undefined) return undefined
    if (!Array.isArray(items)) throw invalid(where, `needs a list for "${name}"`)
    return items.map((item, i) => at(`${where}, ${name}[${i}]`, () => read(item, `${where}, ${name}[${i}]`)))
  }
  const methods = (name: string) =>
    list(name, (item) =>
      typeof item === 'string' ? parseMethodText(item) : (item as CompressionSpec['prune']),
    )
  const fields = {
    specs: list('specs', (item) =>
      typeof item === 'string' ? parseSpec(item) : checkSpec(item as CompressionSpec),
    ),
    prune: methods('prune'),
    quantize: methods('quantize'),
    budgets: list('budgets', (item) =>
      typeof item === 'string' ? parseBudgetText(item) : (item as NonNullable<CompressionSpec['budget']>),
    ),
  }
  const present = Object.fromEntries(Object.entries(fields).filter(([, items]) => items !== undefined))
  return {
    title: typeof value['title'] === 'string' ? value['title'] : 'Quality against real bytes',
    notes: list('notes', readText) ?? [],
    grid: {
      models: list('models', readText) ?? ['reference'],
      tasks: list('tasks', readTask) ?? [],
      ...present,
    },
  }
}

function readText(item: unknown, path: string): string {
  if (typeof item === 'string') return item
  throw invalid(path, `is no text but ${describeValue(item)}`)
}

function readTask(item: unknown, path: string): SweepTask {
  if (!isPlainObject(item) || typeof item['bench'] !== 'string') {
    throw invalid(path, 'is no task', 'Write { "bench": "needle", "options": { … } }.')
  }
  const options = item['options'] ?? {}
  if (!isPlainObject(options)) throw invalid(path, 'needs an object for "options"')
  return { bench: item['bench'], options: options as JsonObject }
}

function at<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!KvError.isInstance(error) || error.message.startsWith(path.split(',')[0] ?? path)) throw error
    throw atPlace(error, path)
  }
}

const invalid = (where: string, problem: string, hint?: string) =>
  new KvError('KV_INVALID_SPEC', `${where} ${problem}.`, { hint })
