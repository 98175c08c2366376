import { dataError } from '@qpkv/bench-kit'
import type { TaskFamily } from '../tasks/task-definitions.ts'
import type { RulerTemplates, TaskTemplate } from './ruler-assets.ts'

const FAMILIES: readonly TaskFamily[] = [
  'niah',
  'variable_tracking',
  'common_words_extraction',
  'freq_words_extraction',
  'qa',
]

/** Slots that a sample is worthless without. */
const NEEDED_SLOTS = {
  needle: ['{key}', '{value}'],
  document: ['{i}', '{document}'],
  assignment: ['{name}', '{value}'],
  copy: ['{name}', '{previous}'],
} as const

/**
 * `templates.json`: `{"tasks": {"niah": {"template", "answer_prefix"}, ...}, "needle", "noise", "document",
 * "assignment", "copy", "singular": [["from", "to"]]}`.
 *
 * @throws KvError KV_DATA naming the file and the field
 */
export function parseTemplates(text: string, path: string): RulerTemplates {
  const json = readObject(text, path)
  const field = (name: string): string => requireText(json[name], name, path)
  const tasks = (json['tasks'] ?? {}) as Record<string, Record<string, unknown> | undefined>
  const templates = {
    needle: field('needle'),
    noise: field('noise'),
    document: field('document'),
    assignment: field('assignment'),
    copy: field('copy'),
    singular: readSingular(json['singular'], path),
    tasks: Object.fromEntries(
      FAMILIES.map((family) => [family, readTask(tasks[family] ?? {}, family, path)]),
    ) as Record<TaskFamily, TaskTemplate>,
  }
  for (const [name, slots] of Object.entries(NEEDED_SLOTS)) {
    for (const slot of slots) {
      if (!field(name).includes(slot)) throw dataError(path, `"${name}" must hold ${slot}`)
    }
  }
  return templates
}

function readTask(task: Record<string, unknown>, family: TaskFamily, path: string): TaskTemplate {
  const template = requireText(task['template'], `tasks.${family}.template`, path)
  const answerPrefix = requireText(task['answer_prefix'], `tasks.${family}.answer_prefix`, path)
  if (!template.includes('{context}')) throw dataError(path, `"tasks.${family}.template" must hold {context}`)
  if (answerPrefix.slice(0, 10).includes('{')) {
    throw dataError(path, `"tasks.${family}.answer_prefix" must have no slot in its first ten characters`)
  }
  return { template, answerPrefix }
}

function readSingular(value: unknown, path: string): [string, string][] {
  const isPair = (item: unknown): item is [string, string] =>
    Array.isArray(item) && item.length === 2 && item.every((part) => typeof part === 'string')
  if (!Array.isArray(value) || !value.every(isPair)) {
    throw dataError(path, '"singular" must be a list of pairs [["from", "to"]]')
  }
  return value
}

function requireText(value: unknown, name: string, path: string): string {
  if (typeof value !== 'string' || value === '') throw dataError(path, `"${name}" must be a text`)
  return value
}

function readObject(text: string, path: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(text)
    if (typeof json === 'object' && json !== null) return json as Record<string, unknown>
  } catch (cause) {
    throw dataError(path, 'the file is not JSON', undefined, cause)
  }
  throw dataError(path, 'expected a JSON object')
}
