import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isPlainObject, KvError } from '@qpkv/spec'

export type CodebookBits = 8 | 4 | 3 | 2
export const codebookBits: readonly CodebookBits[] = [8, 4, 3, 2]

/** Levels of one tensor of one layer by width: 2^bits ascending numbers in [-1, 1]. */
export type Codebooks = { readonly [B in `${CodebookBits}`]: readonly number[] }

/** What a calibration file holds. JSON, a few kilobytes per layer. */
export interface Calibration {
  readonly calibrationVersion: 1
  /** Name of the model it was made from, for people. */
  readonly model: string
  /** Tokens that went in. */
  readonly tokens: number
  /** Whether squared gradients weighted the points. */
  readonly weighted: boolean
  readonly layers: readonly { readonly key: Codebooks; readonly value: Codebooks }[]
}

const fail = (path: string, what: string) =>
  new KvError('KV_DATA', `${path} is not a calibration: ${what}.`, {
    hint: 'Write one with the command `qpkv calibrate`, or leave the option out for normal-float levels.',
  })

/** Checks a parsed calibration. Throws KV_DATA with what is wrong. */
export function checkCalibration(value: unknown, path: string): Calibration {
  if (!isPlainObject(value)) throw fail(path, 'it is not an object')
  if (value['calibrationVersion'] !== 1)
    throw fail(path, `calibrationVersion is ${JSON.stringify(value['calibrationVersion'])}, expected 1`)
  const { layers } = value
  if (!Array.isArray(layers) || layers.length === 0) throw fail(path, 'layers is not a list of layers')
  for (const [l, layer] of (layers as unknown[]).entries())
    for (const tensor of ['key', 'value'])
      for (const bits of codebookBits)
        checkLevels(isPlainObject(layer) ? layer[tensor] : undefined, bits, `layers[${l}].${tensor}`, path)
  return value as unknown as Calibration
}

function checkLevels(books: unknown, bits: CodebookBits, where: string, path: string): void {
  const levels: unknown = isPlainObject(books) ? books[bits] : undefined
  const good =
    Array.isArray(levels) &&
    levels.length === 2 ** bits &&
    levels.every(
      (x: unknown, i) =>
        typeof x === 'number' && Number.isFinite(x) && (i === 0 || x >= (levels[i - 1] as number)),
    )
  if (!good) throw fail(path, `${where}["${bits}"] is not ${2 ** bits} ascending numbers`)
}

/** SHA-256 of what the calibration says, whatever its formatting; goes into the plan. */
export const calibrationHash = (calibration: Calibration): string =>
  createHash('sha256').update(JSON.stringify(calibration.layers)).digest('hex')

/** Reads a file, checked. Throws KV_DATA. */
export function readCalibration(file: string): Calibration {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new KvError(
      'KV_DATA',
      `quantize.calibration: cannot read "${file}": ${(cause as Error).message}.`,
      { hint: 'Check the path, or write the file with: qpkv calibrate --model MODEL --out FILE', cause },
    )
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new KvError(
      'KV_DATA',
      `quantize.calibration: "${file}" is not JSON: ${(cause as Error).message}.`,
      { hint: 'It may be cut off; write it again with: qpkv calibrate --model MODEL --out FILE', cause },
    )
  }
  return checkCalibration(parsed, `quantize.calibration ("${file}")`)
}
