import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describeValue } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import { readJsonObject } from './read-json.ts'

/** Why what stands at `path` cannot be loaded as a model folder: what it is instead, as far as its files tell, and what to do. */
export async function notAModelFolder(path: string): Promise<Error> {
  const status = await stat(path).catch(() => undefined)
  if (!status)
    return refuse(`Expected a model folder at ${path}, but there is nothing of that name.`, CHECK_PATH)
  if (!status.isDirectory()) return notAFile(path)
  const names = await readdir(path)
  return (
    (await adapterError(path, names)) ??
    otherFormat(path, names) ??
    refuse(`Expected a model folder with a config.json at ${path}.`, inner(path, names) ?? CHECK_PATH)
  )
}

/** An adapter's folder may have a config.json too; undefined where it is none. */
export async function adapterError(folder: string, names: readonly string[]): Promise<Error | undefined> {
  if (!names.includes('adapter_config.json')) return undefined
  const adapter = await readJsonObject(join(folder, 'adapter_config.json'))
  const base = adapter?.['base_model_name_or_path']
  const kind = typeof adapter?.['peft_type'] === 'string' ? `${adapter['peft_type']} adapter` : 'adapter'
  return kvError(
    'KV_MODEL_FILE',
    `${folder} holds an adapter (${kind}${typeof base === 'string' ? ` for ${base}` : ''}) and not a model.`,
    'Merge it into its base model (merge_and_unload() of the peft library, then save_pretrained()) and load that folder.',
  )
}

/** What a folder without safetensors holds instead, by the names of its files. */
export function otherFormat(folder: string, names: readonly string[]): Error | undefined {
  for (const [pattern, what, hint] of formats) {
    const found = names.filter((name) => pattern.test(name)).slice(0, 3)
    if (found.length > 0)
      return kvError('KV_MODEL_FILE', `${folder} holds ${found.join(', ')}: ${what}.`, hint)
  }
  return undefined
}

const CHECK_PATH = 'Check the path; a model of the hub is written org/name.'
const GGUF = 'a GGUF file is loaded by its own path, not by that of its folder'
const ORIGINAL = 'Load the original repository of the model, with config.json and safetensors.'
const CONVERT = 'Load it once with the transformers library and save it with save_pretrained().'

const formats: readonly (readonly [RegExp, string, string])[] = [
  [/\.gguf$/i, GGUF, 'Give the path of the file.'],
  [
    /^(consolidated.*|params\.json)$/,
    "weights in their maker's own layout, not that of Hugging Face",
    ORIGINAL,
  ],
  [/\.onnx$/, 'ONNX graphs are not read, only safetensors', ORIGINAL],
  [/^model_index\.json$/, 'an image model of the diffusers library', 'Load a language model.'],
  [/\.(npz|mlx)$/, 'arrays of MLX are not read, only safetensors', ORIGINAL],
  [/\.(bin|pth|pt|h5|msgpack|ckpt)$/, 'pickled or other weights are not read, only safetensors', CONVERT],
]

const refuse = (message: string, hint: string) => kvError('KV_CONFIG', message, hint)

/** Unpacking often adds a folder; a cached repository of the hub has its files under snapshots. */
function inner(folder: string, names: readonly string[]): string | undefined {
  if (names.includes('snapshots'))
    return 'This is a repository in the cache of the hub: give org/name, or a folder of its snapshots.'
  if (names.some((name) => name.endsWith('.safetensors'))) return 'Add the config.json of the model.'
  const [only] = names
  return names.length === 1 && only !== undefined ? `Perhaps ${join(folder, only)} is meant.` : undefined
}

async function notAFile(path: string): Promise<Error> {
  const file = await open(path, 'r')
  const start = Buffer.alloc(4)
  await file.read(start, 0, 4, 0)
  await file.close()
  if (start.toString('latin1') === 'GGUF')
    return kvError(
      'KV_MODEL_FILE',
      `${path} is a GGUF file under another name.`,
      'Rename it to end in .gguf.',
    )
  return refuse(
    `Expected a model folder, but ${path} is a file (it begins with ${describeValue(start.toString('latin1'))}).`,
    /\.safetensors$|config\.json$/.test(path) ? 'Give the folder that it lies in.' : CHECK_PATH,
  )
}
