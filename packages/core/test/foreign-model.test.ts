import { join } from 'node:path'
import { describe, it } from 'vitest'
import { loadModel } from '../src/index.ts'
import { llamaConfig, safetensorsFile, temporaryFolder } from './support/model-folder.ts'
import { throwsKv } from './support/throws.ts'

const config = JSON.stringify(llamaConfig)
const adapter = JSON.stringify({ peft_type: 'LORA', base_model_name_or_path: 'org/base' })

describe('what is no model folder', () => {
  it.each([
    ['a GGUF file alone', { 'm.gguf': 'GGUF' }, '', /m.gguf: a GGUF file is loaded by its own path/],
    [
      'the path of a GGUF file that is cut off',
      { 'm.gguf': 'GGUF' },
      'm.gguf',
      /m.gguf.*its header is cut off/,
    ],
    ['a GGUF file under another name', { blob: 'GGUF\x03' }, 'blob', /blob is a GGUF file/],
    [
      'an adapter',
      { 'adapter_config.json': adapter, 'adapter_model.safetensors': 'x' },
      '',
      /adapter \(LORA adapter for org\/base\)[^]*Merge/,
    ],
    [
      'an adapter with a config.json',
      { 'config.json': config, 'adapter_config.json': adapter },
      '',
      /adapter/,
    ],
    [
      "weights in their maker's layout",
      { 'params.json': '{}', 'consolidated.00.pth': 'x' },
      '',
      /params.json.*own layout/,
    ],
    ['an ONNX graph', { 'model.onnx': 'x' }, '', /ONNX/],
    ['an image model', { 'model_index.json': '{}' }, '', /diffusers/],
    [
      'pickled weights',
      { 'config.json': config, 'pytorch_model.bin': 'x' },
      '',
      /pytorch_model.bin[^]*save_pretrained/,
    ],
  ])('is named for what it is: %s', async (_, files, at, pattern) => {
    await throwsKv('KV_MODEL_FILE', pattern, () => loadModel(join(temporaryFolder(files), at)))
  })

  it.each([
    ['nothing', {}, 'gone', /nothing of that name[^]*org\/name/],
    ['an empty folder', {}, '', /config.json at/],
    ['a folder around it', { 'inner/config.json': config }, '', /Perhaps .*inner is meant/],
    ['a repository of the cache', { 'snapshots/a/config.json': config, 'refs/main': 'a' }, '', /snapshots/],
    ['its weights', { 'model.safetensors': 'x' }, 'model.safetensors', /is a file[^]*folder that it lies in/],
    ['weights alone', { 'model.safetensors': 'x' }, '', /Add the config.json/],
  ])('says what to give instead: %s', async (_, files, at, pattern) => {
    await throwsKv('KV_CONFIG', pattern, () => loadModel(join(temporaryFolder(files), at)))
  })

  it.each(['quantization_config', 'quantization', 'compression_config'])(
    'has no plain weights: %s',
    async (name) => {
      const folder = temporaryFolder({
        'config.json': JSON.stringify({ ...llamaConfig, [name]: { bits: 4 } }),
      })
      await throwsKv('KV_UNSUPPORTED_MODEL', new RegExp(`${name}.*quantized`), () => loadModel(folder))
    },
  )

  it.each(['qweight', 'weight_packed', 'scales', 'weight_scale_inv', 'weight.absmax', 'SCB'])(
    'has quantized weights without saying so in config.json: %s',
    async (part) => {
      const header = {
        [`model.layers.0.self_attn.q_proj.${part}`]: { dtype: 'I32', shape: [1], data_offsets: [0, 4] },
      }
      const folder = temporaryFolder({
        'config.json': config,
        'model.safetensors': safetensorsFile(header, 4),
      })
      await throwsKv('KV_MODEL_FILE', /are quantized/, () => loadModel(folder))
    },
  )
})
