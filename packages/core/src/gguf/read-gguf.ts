import { describeValue } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { Architecture } from '../model/architecture.ts'
import type { WeightFiles } from '../model/weight-files.ts'
import { readGgufModel, type GgufModel } from './gguf-config.ts'
import { readGgufTokenizer, type GgufTokenizer } from './gguf-tokenizer.ts'
import { MetadataReader } from './metadata-reader.ts'
import { readGgufHeader, type GgufHeader, type GgufTensor } from './read-header.ts'
import { readGgufSampling } from './sampling.ts'
import { shardPaths } from './shards.ts'
import { readFactors } from './rope-factors.ts'
import { huggingFaceName, longFactorNames, ropeFactorsName } from './tensor-names.ts'

const factorNames: readonly string[] = [ropeFactorsName, ...Object.values(longFactorNames)]

/** More than any model has; a damaged header may say anything. */
const MOST_EXPERTS = 65_536

/** A GGUF file in the words of a Hugging Face folder. */
export interface GgufContents {
  readonly model: GgufModel
  readonly tokenizer: GgufTokenizer | undefined
  /** Suggestions for sampling, as a generation_config.json would hold them. */
  readonly sampling: Readonly<Record<string, unknown>>
  readonly weights: WeightFiles
  /** Divisors of the rotary frequencies, [headDim / 2]. */
  readonly ropeFactors: readonly number[] | undefined
}

/**
 * Reads what stands before the weights of a GGUF file, or of all files of a split one.
 * @param path the file, or the first of a split model.
 * @throws KV_MODEL_FILE, KV_UNSUPPORTED_MODEL, KV_TOKENIZER.
 */
export async function readGguf(path: string): Promise<GgufContents> {
  const headers: GgufHeader[] = []
  for (const shard of await shardPaths(path)) headers.push(await readGgufHeader(shard))
  const [first] = headers
  if (!first) throw kvError('KV_MODEL_FILE', `Expected a GGUF file at ${path}.`)
  checkSplit(headers)
  const tensors = new Map<string, GgufTensor & { file: number; path: string }>()
  for (const [file, header] of headers.entries())
    for (const [name, tensor] of header.tensors) {
      if (tensors.has(name)) throw kvError('KV_MODEL_FILE', `Tensor ${name} stands in two files of ${path}.`)
      tensors.set(name, { ...tensor, file, path: header.path })
    }
  const metadata = new MetadataReader(first)
  const embedding = tensors.get('token_embd.weight')
  if (!embedding) throw kvError('KV_MODEL_FILE', `Expected the tensor token_embd.weight in ${path}.`)
  const [short, long] = await Promise.all(
    [longFactorNames.short, longFactorNames.long].map((name) => readFactors(tensors.get(name), name)),
  )
  const model = readGgufModel(metadata, {
    vocabSize: embedding.shape[0] ?? 0,
    tied: !tensors.has('output.weight'),
    ...(short && long && { longFactors: { short, long } }),
  })
  return {
    model,
    tokenizer: readGgufTokenizer(metadata),
    sampling: readGgufSampling(metadata),
    weights: {
      files: headers.map((header) => header.path),
      tensors: rename(tensors, model.architecture, path),
    },
    ropeFactors: await readFactors(tensors.get(ropeFactorsName), ropeFactorsName),
  }
}

function rename(
  tensors: ReadonlyMap<string, GgufTensor & { file: number }>,
  architecture: Architecture,
  path: string,
): WeightFiles['tensors'] {
  const renamed = new Map<
    string,
    { dtype: string; shape: readonly number[]; offset: number; bytes: number; file: number }
  >()
  for (const [name, { type, shape, offset, bytes, file }] of tensors) {
    if (factorNames.includes(name)) continue
    const known = huggingFaceName(name, architecture)
    if (known === undefined)
      throw kvError(
        'KV_UNSUPPORTED_MODEL',
        `${path} holds the tensor ${name}, which no supported model has.`,
        'It belongs to a variant that would be computed wrongly.',
      )
    const [experts = 1, ...rest] = known.includes('@') ? shape : [1, ...shape]
    if (experts > MOST_EXPERTS)
      throw kvError('KV_MODEL_FILE', `${path} says that ${name} holds ${experts} experts.`)
    for (let expert = 0; expert < experts; expert++)
      renamed.set(known.replace('@', String(expert)), {
        dtype: type.name,
        shape: rest,
        offset: offset + (expert * bytes) / experts,
        bytes: bytes / experts,
        file,
      })
  }
  return renamed
}

/** Every file of a split model says how many there are. */
function checkSplit(headers: readonly GgufHeader[]): void {
  for (const [i, { metadata, path }] of headers.entries()) {
    const count = metadata.get('split.count') ?? 1
    const number = metadata.get('split.no') ?? 0
    if (count !== headers.length && !(count === 0 && headers.length === 1))
      throw kvError(
        'KV_MODEL_FILE',
        `${path} says that it is one of ${describeValue(count)} files, but ${headers.length} of them ${headers.length === 1 ? 'is' : 'are'} here.`,
        'Put all parts of the model into one folder, under their own names.',
      )
    if (number !== i)
      throw kvError(
        'KV_MODEL_FILE',
        `Expected part ${i} of the model at ${path}, but it says ${describeValue(number)}.`,
      )
  }
}
