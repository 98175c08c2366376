import { openKeptLines, type KeptLinesOptions, type LineFile } from '@qpkv/bench-kit'
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

/** What was measured, a line as soon as it is known. */
export class MeasuredFile {
  /** Of earlier runs. */
  readonly held: readonly MeasuredLine[]
  readonly #file: LineFile

  private constructor(file: LineFile, held: readonly MeasuredLine[]) {
    this.#file = file
    this.held = held
  }

  /** @throws what `openKeptLines` throws */
  static open(options: Pick<KeptLinesOptions<MeasuredLine>, 'path' | 'identity' | 'replace'>): MeasuredFile {
    const { file, held } = openKeptLines({ ...options, kind: 'measured for a plan', check: checkLine })
    return new MeasuredFile(file, held)
  }

  write(line: MeasuredLine): void {
    // JSON has no NaN; it is measured again.
    if (line.kind === 'full' || Number.isFinite(line.kl)) this.#file.write([line])
  }

  close(): void {
    this.#file.close()
  }
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
