import { describe, expect, it } from 'vitest'
import { readWeightFiles } from '../src/model/weight-files.ts'
import { safetensorsFile, temporaryFolder } from './support/model-folder.ts'
import { throwsKv } from './support/throws.ts'

const tensor = { dtype: 'F32', shape: [2], data_offsets: [0, 8] }
const shard = (...names: string[]) =>
  safetensorsFile(
    Object.fromEntries(names.map((name, i) => [name, { ...tensor, data_offsets: [8 * i, 8 * i + 8] }])),
    8 * names.length,
  )
const index = (map: unknown) => JSON.stringify({ weight_map: map })
const INDEX = 'model.safetensors.index.json'

describe('weight files', () => {
  it('are one file', async () => {
    const { files, tensors } = await readWeightFiles(
      temporaryFolder({ 'model.safetensors': shard('a', 'b') }),
    )
    expect(files).toHaveLength(1)
    expect(tensors.get('b')?.file).toBe(0)
  })

  it('are shards that an index lists', async () => {
    const { files, tensors } = await readWeightFiles(
      temporaryFolder({
        [INDEX]: index({ a: 'm-1.safetensors', b: 'm-2.safetensors' }),
        'm-1.safetensors': shard('a'),
        'm-2.safetensors': shard('b'),
      }),
    )
    expect(files).toHaveLength(2)
    expect(files[tensors.get('b')?.file ?? -1]).toMatch(/m-2/)
  })

  it.each([
    '../m.safetensors',
    '/etc/m.safetensors',
    'sub/m.safetensors',
    '..\\m.safetensors',
    'C:m.safetensors',
    'm.bin',
    7,
  ])('never leave the folder: %s', async (name) => {
    const folder = temporaryFolder({ [INDEX]: index({ a: name }) })
    await throwsKv('KV_MODEL_FILE', /of this folder for "a"/, () => readWeightFiles(folder))
  })

  it('must hold what the index promises', async () => {
    const folder = temporaryFolder({
      [INDEX]: index({ a: 'm.safetensors', z: 'm.safetensors' }),
      'm.safetensors': shard('a'),
    })
    await throwsKv('KV_MODEL_FILE', /promises tensor z in m.safetensors/, () => readWeightFiles(folder))
  })

  it('must not hold a tensor twice', async () => {
    const folder = temporaryFolder({
      [INDEX]: index({ a: 'm-1.safetensors', b: 'm-2.safetensors' }),
      'm-1.safetensors': shard('a'),
      'm-2.safetensors': shard('b', 'a'),
    })
    await throwsKv('KV_MODEL_FILE', /again in/, () => readWeightFiles(folder))
  })

  it('must be there, and other formats are named', async () => {
    await throwsKv('KV_MODEL_FILE', /no weights/, () => readWeightFiles(temporaryFolder()))
    for (const [name, pattern] of [
      ['pytorch_model.bin', /pytorch_model.bin: pickled.*only safetensors[^]*save_pretrained/],
      ['m-Q4_K_M.gguf', /m-Q4_K_M.gguf: a GGUF file is loaded by its own path/],
      ['consolidated.00.pth', /own layout/],
    ] as const)
      await throwsKv('KV_MODEL_FILE', pattern, () =>
        readWeightFiles(temporaryFolder({ [name]: 'x', 'config.json': '{}' })),
      )
    await throwsKv('KV_MODEL_FILE', /found adapter-of-mine.safetensors/, () =>
      readWeightFiles(temporaryFolder({ 'adapter-of-mine.safetensors': 'x' })),
    )
    await throwsKv('KV_MODEL_FILE', /model folder at .*no-such/, () => readWeightFiles('/no-such-folder'))
  })

  it('of an index whose shard is missing name the file', async () => {
    const folder = temporaryFolder({ [INDEX]: index({ a: 'gone.safetensors' }) })
    await throwsKv('KV_MODEL_FILE', /gone.safetensors/, () => readWeightFiles(folder))
  })
})
