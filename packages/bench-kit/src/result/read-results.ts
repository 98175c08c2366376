import { readFile } from 'node:fs/promises'
import { isPlainObject, KvError, loadSpec, type JsonObject } from '@qpkv/spec'
import { checkLine } from './check-line.ts'
import { recordIdOf, specIdOf } from './ids.ts'
import type { FailureLine, PlanLine, ResultLine, RunHeader, SampleRecord, SpecLine } from './record.ts'
import { upgradeLines } from './upgrade.ts'

/** A result file in memory. */
export interface Results {
  readonly path: string
  readonly header: RunHeader
  /** Options that say how many samples, of the last run. */
  readonly extent: JsonObject
  /** By id, in the order of the file. */
  readonly specs: ReadonlyMap<string, SpecLine>
  readonly plans: ReadonlyMap<string, PlanLine>
  readonly records: readonly SampleRecord[]
  readonly failures: readonly FailureLine[]
}

/** The lines of a file and how much of it is sound. */
export interface RawResults {
  readonly lines: readonly JsonObject[]
  /** Bytes up to the end of the last sound line; what follows is the rest of an interrupted write. */
  readonly soundBytes: number
  readonly totalBytes: number
}

/**
 * Splits a file into JSON lines. A broken last line is left out; a broken line before it is an error.
 * @throws KvError KV_RESULT_FILE with file and line.
 */
export function parseLines(content: Buffer, path: string): RawResults {
  const lines: JsonObject[] = []
  let soundBytes = 0
  for (let at = 0; at < content.length;) {
    const newline = content.indexOf(0x0a, at)
    const line = newline < 0 ? undefined : parseLine(content.toString('utf8', at, newline))
    const next = newline < 0 ? content.length : newline + 1
    if (line !== undefined) {
      lines.push(line)
      soundBytes = next
    } else if (next < content.length) {
      throw new KvError('KV_RESULT_FILE', `${path}, line ${lines.length + 1}: expected a JSON object.`, {
        hint: 'Only the last line can be repaired. Delete this line; the sample runs again when the command is repeated.',
      })
    }
    at = next
  }
  return { lines, soundBytes, totalBytes: content.length }
}

function parseLine(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isPlainObject(value) ? (value as JsonObject) : undefined
  } catch {
    return undefined
  }
}

/**
 * Sorts upgraded lines by kind. A record that occurs twice counts once, the later one. Ids follow from specs as they read today: those of a
 * file whose specs are of an older version are replaced, and stay as `legacyId`.
 */
export function collectResults(lines: readonly ResultLine[], path: string): Results {
  const header = lines[0]
  if (header?.kind !== 'run') {
    throw new KvError('KV_RESULT_FILE', `${path}, line 1: expected a run header.`, {
      hint: 'This is not a result file of a qpkv benchmark.',
    })
  }
  const specs = new Map<string, SpecLine>()
  /** As the file has it -> as it is today. */
  const ids = new Map<string, string>()
  const plans = new Map<string, PlanLine>()
  const records = new Map<string, SampleRecord>()
  const failures: FailureLine[] = []
  let { extent = {} } = header
  for (const [index, line] of lines.entries()) {
    checkLine(line, `${path}, line ${index + 1}`)
    if (line.kind === 'spec') {
      const one = todaysSpec(line)
      specs.set(one.id, one)
      ids.set(line.id, one.id)
    } else if (line.kind === 'plan') plans.set(line.id, line)
    else if (line.kind === 'failure') {
      failures.push({ ...line, specs: line.specs.map((id) => ids.get(id) ?? id) })
    } else if (line.kind === 'resume') extent = line.extent ?? extent
    else if (line.kind === 'sample') {
      const record = todaysRecord(line, header.runId, ids.get(line.spec))
      records.set(record.id, record)
    }
  }
  return { path, header, extent, specs, plans, records: [...records.values()], failures }
}

function todaysSpec(line: SpecLine): SpecLine {
  const spec = loadSpec(line.spec)
  const id = specIdOf(spec)
  return { ...line, spec, id, ...(id === line.id ? {} : { legacyId: line.id }) }
}

const todaysRecord = (line: SampleRecord, runId: string, spec = line.spec): SampleRecord =>
  spec === line.spec ? line : { ...line, spec, id: recordIdOf(runId, line.sample, spec) }

/** Reads a result file of this or an older version; an interrupted last line is left out. Throws KvError KV_RESULT_FILE. */
export async function readResults(path: string): Promise<Results> {
  let content: Buffer
  try {
    content = await readFile(path)
  } catch (cause) {
    throw new KvError('KV_RESULT_FILE', `Cannot read ${path}: ${(cause as Error).message}.`, {
      hint: 'Give a .jsonl file that a bench or a sweep wrote.',
      cause,
    })
  }
  return collectResults(upgradeLines(parseLines(content, path).lines, path), path)
}
