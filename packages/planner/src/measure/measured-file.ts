import { anotherRun, canonicalJson, LineFile, machineFacts } from '@qpkv/bench-kit'
import { describeValue, isPlainObject, KvError, recipeProtocols } from '@qpkv/spec'
import type { CompressionSpec, Json, JsonObject, RecipeProtocol } from '@qpkv/spec'
import type { Baseline, PromptOutcome } from './outcome.ts'

/** One prompt that is measured. */
export interface Place {
  readonly excerpt: number
  readonly protocol: RecipeProtocol
  /** Of those that the protocol makes of the excerpt. */
  readonly prompt: number
}

/** What a spec made of a prompt. */
export interface OutcomeLine extends Place, PromptOutcome {
  readonly kind: 'outcome'
  /** Of the spec and the plan that it came to. */
  readonly candidate: string
  /** For people. */
  readonly spec: CompressionSpec
}

/** What the full cache made of a prompt. */
export interface FullLine extends Place, Baseline {
  readonly kind: 'full'
}

export type MeasuredLine = OutcomeLine | FullLine

export interface MeasuredFileOptions {
  readonly path: string
  /** All that changes what is measured, beside spec and prompt. */
  readonly identity: JsonObject
  /** Gives up what another run has measured. */
  readonly replace?: boolean | undefined
}

const VERSION = 1

/** What was measured, a line as soon as it is known, so that a run that ends in between goes on where it was. */
export class MeasuredFile {
  readonly path: string
  /** Of earlier runs. */
  readonly held: readonly MeasuredLine[]
  readonly #file: LineFile

  private constructor(file: LineFile, held: readonly MeasuredLine[]) {
    this.path = file.path
    this.#file = file
    this.held = held
  }

  /** @throws KvError KV_CONFLICT (of another run), KV_RESULT_FILE (no such file, or broken), KV_RESULT_LOCKED (another process writes it) */
  static open({ path, identity, replace = false }: MeasuredFileOptions): MeasuredFile {
    const own = (lines: readonly JsonObject[]) => readMeasured(lines, path, identity)
    try {
      const { file, held } = LineFile.open(path, 'resume', own)
      if (held === undefined) begin(file, identity)
      return new MeasuredFile(file, held ?? [])
    } catch (error) {
      if (!replace || !KvError.isInstance(error) || error.code !== 'KV_CONFLICT') throw error
      const { file } = LineFile.open(path, 'replace', () => undefined)
      begin(file, identity)
      return new MeasuredFile(file, [])
    }
  }

  write(line: MeasuredLine): void {
    // JSON has no NaN; it is measured again.
    if (line.kind === 'full' || Number.isFinite(line.kl)) this.#file.write([line])
  }

  close(): void {
    this.#file.close()
  }
}

const begin = (file: LineFile, identity: JsonObject) => {
  const header = { kind: 'measured', version: VERSION, identity }
  file.write([{ ...header, machine: machineFacts(), startedAt: new Date().toISOString() }])
}

/** Undefined for an empty file. */
function readMeasured(
  lines: readonly JsonObject[],
  path: string,
  identity: JsonObject,
): readonly MeasuredLine[] | undefined {
  const [header, ...rest] = lines
  if (header === undefined) return undefined
  const before = header['identity']
  if (header['kind'] !== 'measured' || header['version'] !== VERSION || !isPlainObject(before))
    throw new KvError('KV_RESULT_FILE', `${path} does not hold what a plan has measured.`, {
      hint: 'Choose another file with --out.',
    })
  if (canonicalJson(before) !== canonicalJson(identity)) throw anotherRun(path, before, identity)
  return rest.map((line, i) => checkLine(line, `${path}, line ${i + 2}`))
}

const count = (value: Json | undefined) => Number.isSafeInteger(value) && (value as number) >= 0
const checks: Readonly<Record<string, Readonly<Record<string, (value: Json | undefined) => boolean>>>> = {
  full: { asked: count, found: count },
  outcome: {
    candidate: (value) => typeof value === 'string',
    spec: isPlainObject,
    kept: (value) => Array.isArray(value) && value.every((one) => one === 0 || one === 1),
    tokens: count,
    kl: (value) => typeof value === 'number' && value >= 0,
    agreeing: count,
  },
}
const place: (typeof checks)[string] = {
  excerpt: count,
  protocol: (value) => recipeProtocols.some((one) => one === value),
  prompt: count,
}

function checkLine(line: JsonObject, where: string): MeasuredLine {
  const { kind } = line
  const fields = typeof kind === 'string' ? checks[kind] : undefined
  const wrong = Object.entries({ ...place, ...fields }).find(([name, holds]) => !holds(line[name]))
  if (fields === undefined || wrong)
    throw new KvError(
      'KV_RESULT_FILE',
      fields === undefined
        ? `${where}: expected an outcome or a full line but received ${describeValue(kind)}.`
        : `${where}: expected a sound ${wrong?.[0] ?? ''} but received ${describeValue(line[wrong?.[0] ?? ''])}.`,
      { hint: 'Delete this line; what it held is measured again.' },
    )
  return line as unknown as MeasuredLine
}
