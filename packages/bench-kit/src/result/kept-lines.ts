import { isPlainObject, KvError, type JsonObject } from '@qpkv/spec'
import { canonicalJson } from '../content-hash.ts'
import { machineFacts } from '../machine.ts'
import { LineFile } from './line-file.ts'
import { anotherRun } from './result-writer.ts'

/** What a command measures on its way, a line as soon as it is known. */
export interface KeptLinesOptions<Line> {
  readonly path: string
  /** What such a file is called in its first line, and in messages. */
  readonly kind: string
  /** All that changes what is measured. */
  readonly identity: JsonObject
  /** Gives up what another run has measured. */
  readonly replace?: boolean | undefined
  /** Throws where a line is none, whose place is `where`. */
  readonly check: (line: JsonObject, where: string) => Line
}

const VERSION = 1

/**
 * Opens such a file, or begins it, so that a run that ended in between goes on where it was.
 * @returns the file, to write to, and what earlier runs wrote
 * @throws KvError KV_CONFLICT (of another run), KV_RESULT_FILE (no such file, or broken), KV_RESULT_LOCKED (another process writes it)
 */
export function openKeptLines<Line>({
  path,
  kind,
  identity,
  replace = false,
  check,
}: KeptLinesOptions<Line>): { readonly file: LineFile; readonly held: readonly Line[] } {
  const begin = (file: LineFile) => {
    const header = { kind, version: VERSION, identity }
    file.write([{ ...header, machine: machineFacts(), startedAt: new Date().toISOString() }])
  }
  try {
    const { file, held } = LineFile.open(path, 'resume', ([header, ...lines]) => {
      if (header === undefined) return undefined
      const before = header['identity']
      if (header['kind'] !== kind || header['version'] !== VERSION || !isPlainObject(before))
        throw new KvError('KV_RESULT_FILE', `${path} is no file of "${kind}".`, {
          hint: 'Choose another file.',
        })
      if (canonicalJson(before) !== canonicalJson(identity)) throw anotherRun(path, before, identity)
      return lines.map((line, i) => check(line, `${path}, line ${i + 2}`))
    })
    if (held === undefined) begin(file)
    return { file, held: held ?? [] }
  } catch (error) {
    if (!replace || !KvError.isInstance(error) || error.code !== 'KV_CONFLICT') throw error
    const { file } = LineFile.open(path, 'replace', () => undefined)
    begin(file)
    return { file, held: [] }
  }
}
