import { mkdir, open, readdir, rename, rm, writeFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { kvError } from '../errors.ts'
import { readConfig } from '../model/config.ts'
import { mapWeights } from '../model/weight-map.ts'
import type { TensorEntry } from '../model/safetensors.ts'
import { loadAddon } from '../native/load-addon.ts'
import type { GgufBlock } from '../native/addon.ts'
import { huggingFaceRows, tensorRows, type RowOrder } from './exported-rows.ts'
import { readGguf, type GgufContents } from './read-gguf.ts'

/** What was written. */
export interface ExportedModel {
  /** The new files, absolute paths. */
  readonly files: readonly string[]
  /** Of all tensors, in bytes. */
  readonly weightBytes: number
}

const WEIGHTS = 'model.safetensors'
/** Of values read at once, about. */
const CHUNK_BYTES = 2 ** 24

/**
 * Writes a GGUF model as the folder that Hugging Face's libraries read: config, tokenizer, chat template and weights. Values are those of the
 * file: floats as they are, codes multiplied out into float32.
 * @param path the file, or any part of a split one.
 * @param folder made if it is not there; else it must be empty.
 * @throws KV_MODEL_FILE, KV_UNSUPPORTED_MODEL, KV_TOKENIZER.
 */
export async function exportModel(path: string, folder: string): Promise<ExportedModel> {
  const contents = await readGguf(path)
  if (contents.ropeFactors)
    throw kvError(
      'KV_UNSUPPORTED_MODEL',
      `${path} scales its rotary frequencies by a table of factors, which no field of a config.json holds for this family.`,
      'Export the safetensors of the original model instead.',
    )
  const config = readConfig(contents.model.config, path)
  mapWeights(config, contents.weights, path) // refuses what the model would miss or not know
  await mkdir(folder, { recursive: true })
  if ((await readdir(folder)).length > 0)
    throw kvError('KV_MODEL_FILE', `Expected ${folder} to be empty.`, 'Name a folder that is not there yet.')
  const target = join(folder, WEIGHTS)
  const weightBytes = await writeWeights(contents, config.headDim, `${target}.part`).catch(
    async (cause: unknown) => {
      await rm(`${target}.part`, { force: true })
      throw cause
    },
  )
  const files: string[] = []
  for (const [name, value] of Object.entries(jsonFiles(contents))) {
    files.push(join(folder, name))
    await writeFile(join(folder, name), `${JSON.stringify(value, undefined, 2)}\n`)
  }
  await rename(`${target}.part`, target)
  return { files: [...files, target], weightBytes }
}

function jsonFiles({ model, tokenizer, sampling }: GgufContents): Record<string, unknown> {
  const stops = tokenizer?.stopTokens ?? []
  const stop = stops.length > 0 ? { eos_token_id: stops.length === 1 ? stops[0] : stops } : {}
  return {
    'config.json': {
      ...model.config,
      model_type: model.architecture.modelType,
      dtype: 'float32',
      ...stop,
    },
    'generation_config.json': { ...sampling, ...stop },
    ...(tokenizer && {
      'tokenizer.json': tokenizer.definition,
      'tokenizer_config.json': { ...tokenizer.config, tokenizer_class: 'PreTrainedTokenizerFast' },
    }),
  }
}

/** Safetensors: bytes of the header as 64 bits, the header, the tensors. */
async function writeWeights(
  { model, weights }: GgufContents,
  headDim: number,
  path: string,
): Promise<number> {
  const written = [...weights.tensors].map(([name, tensor]) => {
    const dtype = element(tensor.dtype) ?? 'F32'
    const bytes = tensor.shape.reduce((product, size) => product * size, dtype === 'F32' ? 4 : 2)
    const order = orderOf(name, model, headDim)
    if (order.subtract !== 0 && dtype !== 'F32')
      throw kvError('KV_UNSUPPORTED_MODEL', `Expected F32 in ${name} but received ${dtype}.`)
    return { name, tensor, dtype, bytes, order }
  })
  let at = 0
  const header: Record<string, object> = { __metadata__: { format: 'pt' } }
  for (const { name, tensor, dtype, bytes } of written) {
    header[name] = { dtype, shape: tensor.shape, data_offsets: [at, at + bytes] }
    at += bytes
  }
  const text = Buffer.from(JSON.stringify(header))
  const padded = Buffer.concat([text, Buffer.alloc(-text.length & 7, ' ')])
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  const target = await open(path, 'wx')
  try {
    await target.writeFile(Buffer.concat([length, padded]))
    for (const [file, source] of weights.files.entries()) {
      const own = written.filter(({ tensor }) => tensor.file === file)
      if (own.length === 0) continue
      const from = await open(source, 'r')
      try {
        for (const { tensor, order } of own) await copyTensor(from, target, tensor, order)
      } finally {
        await from.close()
      }
    }
    return at
  } finally {
    await target.close()
  }
}

const element = (dtype: string) => ['F32', 'F16', 'BF16'].find((name) => name === dtype)

/** How rows and values of a tensor change on their way into a Hugging Face folder. */
function orderOf(name: string, { architecture, rule }: GgufContents['model'], headDim: number): RowOrder {
  const { layer } = architecture.tensors
  const role = (one: string | undefined) =>
    one !== undefined && name.replace(/\.(weight|bias)$/, '').replace(/\.\d+\./, '.#.') === one
  const rotary = rule.pairedRows === true && (role(layer.q) || role(layer.k))
  return {
    headDim: rotary ? headDim : 0,
    subtract: rule.wholeNorms === true && name.endsWith('norm.weight') ? 1 : 0,
  }
}

async function copyTensor(
  from: FileHandle,
  target: FileHandle,
  { dtype, shape, offset, bytes }: TensorEntry,
  order: RowOrder,
): Promise<void> {
  const { addon } = loadAddon()
  const rows = tensorRows(shape)
  const rowBytes = bytes / rows
  const step = order.headDim || 1
  const chunk = Math.max(step, Math.floor(CHUNK_BYTES / rowBytes / step) * step)
  for (let row = 0; row < rows; row += chunk) {
    const source = Buffer.alloc(rowBytes * Math.min(chunk, rows - row))
    const { bytesRead } = await from.read(source, 0, source.length, offset + row * rowBytes)
    if (bytesRead < source.length)
      throw kvError('KV_MODEL_FILE', 'The model file ends before its tensors do. Fetch it again.')
    const values =
      element(dtype) === undefined
        ? Buffer.from(addon.readBlocks(dtype.toLowerCase() as GgufBlock, source).buffer)
        : source
    await target.writeFile(huggingFaceRows(values, source.length / rowBytes, order))
  }
}
