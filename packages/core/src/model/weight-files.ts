import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describeValue, isPlainObject } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import { adapterError, otherFormat } from './foreign-model.ts'
import { readJsonObject } from './read-json.ts'
import { readSafetensorsHeader, type TensorEntry } from './safetensors.ts'

/** The tensors of a model folder, whatever the number of files. */
export interface WeightFiles {
  /** Absolute paths. */
  readonly files: readonly string[]
  /** By name; `file` is an index into `files`. */
  readonly tensors: ReadonlyMap<string, TensorEntry & { readonly file: number }>
}

const SINGLE = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'

/**
 * Finds model.safetensors, or the shards that model.safetensors.index.json lists, and reads their headers.
 * @throws KV_MODEL_FILE when there are none, when the index and the shards disagree, or when a name leads out of the folder.
 */
export async function readWeightFiles(folder: string): Promise<WeightFiles> {
  const names = await readdir(folder).catch((cause: Error) => {
    throw kvError('KV_MODEL_FILE', `Expected a model folder at ${folder}, but ${cause.message}.`)
  })
  if (names.includes(SINGLE)) return collect(folder, [SINGLE])
  if (names.includes(INDEX)) return collectShards(folder)
  const foreign = (await adapterError(folder, names)) ?? otherFormat(folder, names)
  if (foreign) throw foreign
  const others = names.filter((name) => name.endsWith('.safetensors'))
  throw kvError(
    'KV_MODEL_FILE',
    `Expected ${SINGLE} or ${INDEX} in ${folder}, but found ${others.length > 0 ? others.join(', ') : 'no weights'}.`,
    'Check the path; a folder as downloaded from the Hugging Face hub is expected.',
  )
}

async function collectShards(folder: string): Promise<WeightFiles> {
  const path = join(folder, INDEX)
  const map = (await readJsonObject(path))?.['weight_map']
  if (!isPlainObject(map)) throw kvError('KV_MODEL_FILE', `Expected an object weight_map in ${path}.`)
  const shards = new Set<string>()
  for (const [tensor, file] of Object.entries(map)) {
    // A model folder is data from outside: a shard must lie in the folder itself.
    if (typeof file !== 'string' || !/^[^/\\:\0]+\.safetensors$/.test(file) || file.startsWith('..'))
      throw kvError(
        'KV_MODEL_FILE',
        `Expected the name of a .safetensors file of this folder for ${describeValue(tensor)} in ${path}, but received ${describeValue(file)}.`,
      )
    shards.add(file)
  }
  const weights = await collect(folder, [...shards].sort())
  for (const [tensor, file] of Object.entries(map)) {
    const found = weights.tensors.get(tensor)
    if (!found || weights.files[found.file] !== join(folder, String(file)))
      throw kvError(
        'KV_MODEL_FILE',
        `${path} promises tensor ${tensor} in ${String(file)}, which does not hold it.`,
      )
  }
  return weights
}

async function collect(folder: string, names: readonly string[]): Promise<WeightFiles> {
  const files = names.map((name) => join(folder, name))
  const tensors = new Map<string, TensorEntry & { file: number }>()
  for (const [file, path] of files.entries()) {
    const header = await readSafetensorsHeader(path)
    for (const [name, entry] of header.tensors) {
      if (tensors.has(name))
        throw kvError(
          'KV_MODEL_FILE',
          `Tensor ${name} is in ${files[tensors.get(name)?.file ?? 0]} and again in ${path}.`,
        )
      tensors.set(name, { ...entry, file })
    }
  }
  return { files, tensors }
}
