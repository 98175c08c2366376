import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { safetensorsFile, temporaryFolder } from './model-folder.ts'

/** Values that follow from a tensor's name alone: the same as tools/goldens/make_family_logits.py makes. */
export function namedWeights(name: string, shape: readonly number[], centeredNorms: boolean): Float32Array {
  let seed = 0
  for (const byte of Buffer.from(name)) seed = (Math.imul(seed, 31) + byte) >>> 0
  const scale = name.includes('norm') || shape.length === 1 ? 0.3 : 2.5 / Math.sqrt(shape.at(-1) ?? 1)
  const factor = name.includes('embed') ? 1 : scale
  const offset = name.includes('norm') && !centeredNorms ? 1 : 0
  return Float32Array.from({ length: shape.reduce((product, n) => product * n, 1) }, (_, i) => {
    let state = (Math.imul((i + seed) | 0, 1664525) + 1013904223) >>> 0
    for (const [shift, by] of [
      [15, 0x2c1b3c6d],
      [13, 0x297a2d39],
    ] as const)
      state = Math.imul(state ^ (state >>> shift), by) >>> 0
    const u = ((state ^ (state >>> 15)) >>> 0) / 2 ** 31 - 1
    return factor * u + offset
  })
}

/** A model folder of such weights in float32. */
export function namedModel(
  config: Readonly<Record<string, unknown>>,
  tensors: Readonly<Record<string, readonly number[]>>,
): string {
  const folder = temporaryFolder({ 'config.json': JSON.stringify(config) })
  const header: Record<string, unknown> = {}
  const centered = String(config['model_type']).startsWith('gemma')
  const data: Float32Array[] = []
  let end = 0
  for (const [name, shape] of Object.entries(tensors)) {
    const values = namedWeights(name, shape, centered)
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + values.byteLength] }
    data.push(values)
    end += values.byteLength
  }
  const file = safetensorsFile(header, end)
  let at = file.length - end
  for (const values of data) {
    file.set(new Uint8Array(values.buffer), at)
    at += values.byteLength
  }
  writeFileSync(join(folder, 'model.safetensors'), file)
  return folder
}
