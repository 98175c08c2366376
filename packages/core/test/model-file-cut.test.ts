import { copyFileSync, cpSync, readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { modelFolder } from '@qpkv/reference-model'
import { describe, expect, it } from 'vitest'
import { loadModel } from '../src/index.ts'
import { smallConfig } from './native/support/small-config.ts'
import { temporaryFolder } from './support/model-folder.ts'
import { randomModel } from './support/random-model.ts'
import { throwsKv } from './support/throws.ts'

/** Loads a copy of a model whose weights are cut to `bytes` when its headers have been read and before its data are. */
const loadCut = (
  folder: string,
  bytes: (size: number) => number,
  precision: 'bf16' | 'bf16-fast' | 'f32',
) => {
  const file = join(folder, 'model.safetensors')
  return loadModel(folder, {
    threads: 2,
    precision,
    packedCache: false,
    onProgress: ({ stage }) => {
      if (stage === 'weights') truncateSync(file, bytes(statSync(file).size))
    },
  })
}

describe('a model file that is cut short while it is loaded', () => {
  it.each([
    ['to nothing', () => 0],
    ['behind its header', () => 30_000],
    ['in the middle', (size: number) => size >> 1],
    ['by one byte', (size: number) => size - 1],
  ] as const)('%s is named, with what was wanted', async (_, bytes) => {
    for (const precision of ['bf16', 'bf16-fast', 'f32'] as const) {
      const folder = temporaryFolder()
      cpSync(modelFolder, folder, { recursive: true })
      await throwsKv(
        'KV_MODEL_FILE',
        /model\.safetensors ends at byte \d+; a tensor needs bytes \d+ to \d+/,
        () => loadCut(folder, bytes, precision),
      )
    }
  })

  it('leaves others alone: the next model loads in the same process', async () => {
    const { folder } = randomModel(smallConfig, 'BF16', 3)
    const copy = temporaryFolder()
    for (const name of readdirSync(folder)) copyFileSync(join(folder, name), join(copy, name))
    await throwsKv('KV_MODEL_FILE', /ends at byte/, () => loadCut(copy, (size) => size - 100, 'bf16'))
    await using model = await loadModel(folder, { threads: 2, packedCache: false })
    await using context = await model.prefill([1, 2, 3])
    expect((await context.logits()).every(Number.isFinite)).toBe(true)
    // Weights were read, not mapped: what becomes of the file does not matter to a loaded model.
    truncateSync(join(folder, 'model.safetensors'), 0)
    await context.append([4, 5])
    expect((await context.logits()).every(Number.isFinite)).toBe(true)
  })
})
