import type { ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { readJson, type ArrayReference } from './arrays.ts'
import { readNumbers } from './next-arrays.ts'
import { checkAttention } from './rotated-attention.ts'
import { checkRotation, checkLevels } from './rotation.ts'
import { checkKvarn } from './kvarn-tiles.ts'
import { checkTurboquant } from './turboquant-codes.ts'
import { checkUniform } from './rotated-codes.ts'
import { Tally, type FamilyResult } from './report.ts'

/** One case of the manifest; the folder's README says what its fields are. */
export interface QuantizerCase {
  readonly id: string
  readonly method: string
  readonly input: string | null
  readonly tensor: 'k' | 'v' | null
  readonly bits?: number
  readonly mse?: number
  readonly near_boundary?: number
  readonly head_dim?: number
  readonly rotation?: 'signs' | 'plain'
  readonly centre?: boolean
  readonly head?: number
  readonly token_start?: number
  readonly group?: number
  readonly iterations?: number
  readonly arrays: Record<string, ArrayReference>
}

interface Manifest {
  readonly inputs: Record<string, { shape: number[]; key: ArrayReference; value: ArrayReference }>
  readonly cases: readonly QuantizerCase[]
}

/** What a case is about: keys and values [heads, tokens, headDim], and its arrays by name. */
export interface QuantizerInput {
  readonly heads: number
  readonly tokens: number
  readonly headDim: number
  readonly k: Float32Array
  readonly v: Float32Array
  readonly array: (name: string) => Float64Array
  readonly has: (name: string) => boolean
}

type Check = (engine: ProbeEngine, test: QuantizerCase, input: QuantizerInput) => Promise<string | undefined>

const checks: Record<string, Check> = {
  hadamard: checkRotation,
  lloyd_max: checkLevels,
  uniform_int_zero: checkUniform,
  uniform_min: checkUniform,
  vllm_int4: checkUniform,
  turboquant: checkTurboquant,
  kvarn: checkKvarn,
  attention: checkAttention,
}

/** Rotated quantizers: what the engine stores, reads back and attends to, against the originals. */
export async function checkNextQuantizers(folder: string, engine: ProbeEngine): Promise<FamilyResult> {
  const { inputs, cases } = readJson<Manifest>(folder, 'manifest.json')
  const tally = new Tally('rotated quantizers', engine.table)
  for (const test of cases) {
    const check = checks[test.method]
    if (!check) {
      tally.record(test.id, `no check for ${test.method}`)
      continue
    }
    try {
      tally.record(test.id, await check(engine, test, inputOf(folder, test, inputs)))
    } catch (error) {
      tally.record(test.id, String(error))
    }
  }
  return tally.result()
}

function inputOf(folder: string, test: QuantizerCase, inputs: Manifest['inputs']): QuantizerInput {
  const array = (name: string) => {
    const reference = test.arrays[name]
    if (!reference) throw new Error(`the case has no array ${name}`)
    return readNumbers(folder, reference)
  }
  const has = (name: string) => test.arrays[name] !== undefined
  const found = test.input === null ? undefined : inputs[test.input]
  if (!found)
    return { heads: 0, tokens: 0, headDim: 0, k: new Float32Array(), v: new Float32Array(), array, has }
  const [heads = 0, tokens = 0, headDim = 0] = found.shape
  const floats = (reference: ArrayReference) => Float32Array.from(readNumbers(folder, reference))
  return { heads, tokens, headDim, k: floats(found.key), v: floats(found.value), array, has }
}
