import type { Results } from '@qpkv/bench-kit'
import { isPlainObject, KvError } from '@qpkv/spec'
import { needleRow } from './rows.ts'
import type { NeedlePart } from './run-reference.ts'
import type { NeedleTask } from './samples.ts'

/**
 * The parts that a result file was made from, to run them again: tasks from its header, rows from the specs that each protocol was asked
 * under.
 * @throws KvError KV_RESULT_FILE when the file holds no run of the bundled world
 */
export function partsOfResults(results: Results): NeedlePart[] {
  const { bench, task } = results.header.identity
  const parts: unknown = task['parts']
  if (bench !== 'needle' || !Array.isArray(parts) || !parts.every((part) => isTask(part))) {
    throw new KvError('KV_RESULT_FILE', `${results.path} holds no needle run of the bundled world.`, {
      hint: `It was made by "${bench}".`,
    })
  }
  return parts.map((part): NeedlePart => {
    const mine = results.records.filter(({ facets }) => facets['protocol'] === part.protocol)
    const asked = new Set(mine.map(({ spec }) => spec))
    const lines = [...results.specs.values()].filter(({ id }) => parts.length === 1 || asked.has(id))
    return { task: part, rows: lines.map(({ spec, label }) => needleRow(spec, label)) }
  })
}

function isTask(part: unknown): part is NeedleTask {
  if (!isPlainObject(part)) return false
  const { protocol, lengths, depths, keys, questions } = part
  return (
    (protocol === 'query-aware' || protocol === 'query-agnostic') &&
    Array.isArray(lengths) &&
    Array.isArray(depths) &&
    typeof keys === 'number' &&
    typeof questions === 'number'
  )
}
