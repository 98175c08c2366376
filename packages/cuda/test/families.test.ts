import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { backendDevices, loadModel, type BackendDevice } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { describe, expect, test } from 'vitest'
import { namedModel } from '../../core/test/support/named-weights.ts'
import { executor } from './support.ts'

/*
 * Every family of models that core has a case for, over the kernels: head dimensions and groups of all kinds, biases, tied weights,
 * windows, soft caps, experts, norms of heads. Their logits are those of the transformers library, which made the cases.
 */

interface FamilyCase {
  readonly config: Readonly<Record<string, unknown>>
  readonly tensors: Readonly<Record<string, readonly number[]>>
  readonly ids: readonly number[]
}
const folder = new URL('../../core/test/goldens/families/', import.meta.url)
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
const BOUND = 1e-4

/** In turn: whole, pruned and coded, coded in a few bits, with running eviction, transformed. */
const specs = [
  'none+none',
  'snapkv:window=8+kivi:bits=4@40t',
  'keydiff:last=8+kivi:bits=2@60t',
  'h2o+none@40t',
  'l2norm+hadamard:bits=4@40t',
]

describe
  .skipIf(!existsSync(executor))
  .each(names.map((name, i) => [name, specs[i % specs.length]!] as const))(
  '%s with %s on the host executor',
  (name, compression) => {
    const { config, tensors, ids } = JSON.parse(
      readFileSync(new URL(`${name}.json`, folder), 'utf8'),
    ) as FamilyCase
    const file = readFileSync(new URL(`${name}.f32`, folder))
    const wanted = new Float32Array(file.buffer, file.byteOffset, file.byteLength / 4)

    test(
      'has the logits of the transformers library, and the tokens of the CPU',
      { timeout: 120_000 },
      async () => {
        const model = namedModel(config, tensors)
        const answers: number[][] = []
        for (const device of ['cpu', backendDevices(executor)[0] as BackendDevice] as const) {
          await using opened = await loadModel(model, { device, precision: 'f32', methods: registry })
          if (device !== 'cpu') {
            const { logits } = await opened.logits([...ids])
            const apart = logits.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]!)), 0)
            expect(logits.length).toBe(wanted.length)
            expect(apart).toBeLessThan(BOUND)
          }
          await using context = await opened.prefill(ids.slice(0, 70), { compression, onWarning: () => {} })
          const { tokens } = await context.generate({ maxTokens: 8, stopTokens: [] }).result
          answers.push([...tokens])
        }
        expect(answers[0]).toHaveLength(8)
        expect(answers[1]).toEqual(answers[0])
      },
    )
  },
)
