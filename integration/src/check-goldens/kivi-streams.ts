import type { NativePartExport, ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { beyond, readFloats, sliceTokens, type ArrayReference } from './arrays.ts'
import { joinValues, kiviPlan } from './kivi-plan.ts'
import { Tally, type FamilyResult } from './report.ts'
import { storeLayer } from './store-layer.ts'

export interface KiviStream {
  prompt_len: number
  residual_length: number
  group_size: number
  bits: 2 | 4 | 8
  decode_steps: number
  k_in: ArrayReference
  v_in: ArrayReference
  k_final: ArrayReference
  v_final: ArrayReference
  trace: { step: number; k_quant: number; k_full: number; v_quant: number; v_full: number }[]
}

const countTokens = (parts: readonly NativePartExport[], packed: boolean) =>
  parts.filter((part) => (part.bits !== 16) === packed).reduce((total, part) => total + part.tokens, 0)

async function checkStream(
  folder: string,
  test: KiviStream,
  engine: ProbeEngine,
): Promise<string | undefined> {
  const [, heads = 1, total = 1, headDim = 1] = test.k_in.shape
  const k = readFloats(folder, test.k_in)
  const v = readFloats(folder, test.v_in)
  const slice = (x: Float32Array, from: number, count: number) =>
    sliceTokens(x, [heads, total, headDim], from, count)
  const plan = kiviPlan(
    { bits: test.bits, group: test.group_size, recent: test.residual_length, residual: 'kivi' },
    { heads, tokens: test.prompt_len, headDim },
    'f32',
  )
  const cache = await storeLayer(
    engine,
    {
      k: slice(k, 0, test.prompt_len),
      v: slice(v, 0, test.prompt_len),
      heads,
      tokens: test.prompt_len,
      headDim,
    },
    plan,
  )
  try {
    for (const { step, ...lengths } of test.trace) {
      if (step > 0)
        await cache.append(
          slice(k, test.prompt_len + step - 1, 1),
          slice(v, test.prompt_len + step - 1, 1),
          1,
        )
      const { key, value } = cache.export(0)
      const ours = {
        k_quant: countTokens(key, true),
        k_full: countTokens(key, false),
        v_quant: countTokens(value, true),
        v_full: countTokens(value, false),
      }
      for (const name of Object.keys(ours) as (keyof typeof ours)[])
        if (ours[name] !== lengths[name])
          return `step ${step}: ${name} is ${ours[name]}, theirs ${lengths[name]}`
    }
    const [finalK, finalV] = [readFloats(folder, test.k_final), readFloats(folder, test.v_final)]
    const size = total * headDim
    for (let head = 0; head < heads; head++) {
      const { key, value } = cache.export(head)
      const problem =
        beyond(
          `head ${head} keys`,
          joinValues(key, 'values'),
          finalK.subarray(head * size, (head + 1) * size),
          1e-5 * 20,
        ) ??
        beyond(
          `head ${head} values`,
          joinValues(value, 'values'),
          finalV.subarray(head * size, (head + 1) * size),
          1e-5 * 20,
        )
      if (problem) return problem
    }
    return undefined
  } finally {
    cache.dispose()
  }
}

/** The original's residual rule over prefill and decode: lengths at every step, and what reading back gives at the end. */
export async function checkKiviStreams(
  folder: string,
  tests: readonly KiviStream[],
  engine: ProbeEngine,
): Promise<FamilyResult> {
  const tally = new Tally('kivi streams', engine.table)
  for (const test of tests) {
    const id = `${test.bits} bit, prompt ${test.prompt_len}, residual ${test.residual_length}`
    tally.record(id, await checkStream(folder, test, engine).catch((error: unknown) => String(error)))
  }
  return tally.result()
}
