import { KvError, type JsonObject } from '@qpkv/spec'
import { RESULT_SCHEMA_VERSION, type ResultLine } from './record.ts'

/** Turns one line of a version into one of the next. */
export type LineUpgrade = (line: JsonObject) => JsonObject

/** By the version that they start from. A change of the schema adds an entry here and raises RESULT_SCHEMA_VERSION. */
const upgrades: ReadonlyMap<number, LineUpgrade> = new Map([
  // Version 2 added what the samples were read from, and options in the header: lines of version 1 are read as they are.
  [1, (line: JsonObject) => line],
])

/**
 * Lines of an older result file as lines of today's version.
 * @throws KvError KV_RESULT_FILE for a newer version, for none, and for one that no upgrade starts from.
 */
export function upgradeLines(
  lines: readonly JsonObject[],
  path: string,
  steps: ReadonlyMap<number, LineUpgrade> = upgrades,
  today: number = RESULT_SCHEMA_VERSION,
): readonly ResultLine[] {
  const version = lines[0]?.['schemaVersion']
  if (typeof version !== 'number' || !Number.isInteger(version)) {
    throw new KvError('KV_RESULT_FILE', `${path}, line 1: expected a run header with schemaVersion.`, {
      hint: 'This is not a result file of a qpkv benchmark, or another program cut its beginning.',
    })
  }
  if (version > today) {
    throw new KvError(
      'KV_RESULT_FILE',
      `${path} has schemaVersion ${version}; this version reads up to ${today}.`,
      {
        hint: 'Update @qpkv/bench-kit.',
      },
    )
  }
  let current = lines
  for (let from = version; from < today; from++) {
    const step = steps.get(from)
    if (!step)
      throw new KvError(
        'KV_RESULT_FILE',
        `${path} has schemaVersion ${version}, which no version ever wrote.`,
      )
    current = current.map((line) =>
      line['kind'] === 'run' ? { ...step(line), schemaVersion: from + 1 } : step(line),
    )
  }
  return current as unknown as readonly ResultLine[]
}
