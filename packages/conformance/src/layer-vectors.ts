import { selectLayer, type LayerTensors } from '@qpkv/reference'
import { createRegistry, resolve, type AnyMethod, type SpecInput } from '@qpkv/spec'
import { readJson } from './golden-files.ts'

/** What a released code made of one layer, written by tools/goldens/make_pruner_vectors.py. */
export interface LayerVector {
  readonly kind: string
  readonly params: Readonly<Record<string, number | string | boolean>>
  /** [kvHeads, tokens], where the code gives scores. */
  readonly scores?: Float32Array
  /** Positions that each KV head keeps, ascending. */
  readonly kept: readonly (readonly number[])[]
}

/** What we make of the same layer. */
export interface LayerRun {
  /** Of the first stage, per KV head, before the protected last tokens. */
  readonly scores: readonly Float32Array[]
  readonly kept: readonly (readonly number[])[]
}

interface VectorFile {
  readonly shape: Pick<LayerTensors, 'tokens' | 'queryHeads' | 'kvHeads' | 'headDim'>
  readonly tensors: Readonly<Record<string, string>>
  readonly cases: readonly {
    readonly kind: string
    readonly params: LayerVector['params']
    readonly scores?: string
    readonly kept: readonly (readonly number[])[]
  }[]
}

const floats = (text: string): Float32Array => {
  const bytes = Buffer.from(text, 'base64')
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i))
}

/** Reads a file of vectors; `run` puts a spec through resolve() and the reference observation and selection. */
export function readLayerVectors(file: URL): {
  readonly cases: readonly LayerVector[]
  readonly tokens: number
  readonly run: (spec: SpecInput, methods: readonly AnyMethod[]) => LayerRun
} {
  const { shape, tensors, cases } = readJson(file) as VectorFile
  const read = Object.fromEntries(Object.entries(tensors).map(([name, text]) => [name, floats(text)]))
  const layer = { ...shape, ...read } as unknown as LayerTensors
  return {
    tokens: shape.tokens,
    cases: cases.map(({ scores, ...rest }) => ({
      ...rest,
      ...(scores !== undefined && { scores: floats(scores) }),
    })),
    run(spec, methods) {
      const { plan } = resolve(spec, createRegistry(methods), { layers: 1, ...shape }, shape)
      const { scores, kept } = selectLayer(plan.layers[0]!, 'kv', layer)
      return {
        scores: scores[0] ?? [],
        kept: kept.map((own) => [...own].sort((a, b) => a - b)),
      }
    },
  }
}
