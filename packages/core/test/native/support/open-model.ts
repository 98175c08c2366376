import { join } from 'node:path'
import type { CompressionPlan, LayerPlan, SegmentPlan } from '@qpkv/spec'
import { readConfig, type ModelConfig } from '../../../src/model/config.ts'
import { describeModel as describeConfig } from '../../../src/model/describe-model.ts'
import { readJsonObject } from '../../../src/model/read-json.ts'
import { readWeightFiles } from '../../../src/model/weight-files.ts'
import { mapWeights } from '../../../src/model/weight-map.ts'
import type { NativeContext, NativeModel, NativeModelDescription } from '../../../src/native/addon.ts'
import { packedMatrices } from '../../../src/weights/packed-matrices.ts'
import { probeAddon, type ProbeEngine } from '../../support/probe.ts'

export const addon = probeAddon()

/** Every op table that this CPU runs. */
export const tables = addon.opTables()

export interface OpenModel {
  readonly engine: ProbeEngine
  readonly model: NativeModel
  readonly config: ModelConfig
}

export interface OpenOptions {
  readonly threads?: number
  readonly table?: string
  readonly precision?: 'bf16' | 'f32'
  /** A backend's library; left out: that of QPKV_CORE_BACKEND, or the CPU. */
  readonly library?: string
}

/** A model of the addon straight from a folder, without the API above it. */
export async function openModel(folder: string, options: OpenOptions = {}): Promise<OpenModel> {
  const { config, description } = await describeModel(folder, options.precision ?? 'f32')
  const library =
    options.table === undefined ? (options.library ?? process.env['QPKV_CORE_BACKEND']) : undefined
  const engine = addon.createEngine({
    threads: options.threads ?? 2,
    ...(options.table !== undefined && { table: options.table }),
    ...(library !== undefined && { library }),
  })
  return { engine, model: await engine.loadModel(description), config }
}

export async function describeModel(
  folder: string,
  precision: 'bf16' | 'f32',
): Promise<{ config: ModelConfig; description: NativeModelDescription }> {
  const path = join(folder, 'config.json')
  const config = readConfig((await readJsonObject(path)) ?? {}, path)
  const weights = await readWeightFiles(folder)
  const tensors = mapWeights(config, weights, folder)
  const description = describeConfig(
    { config, files: weights.files, tensors },
    precision,
    packedMatrices(tensors, precision, 'auto'),
  )
  return { config, description }
}

const exact = (element: 'bf16' | 'f32' = 'f32') => ({ bits: 16, element }) as const

/** One exact segment that holds everything. */
export const exactSegments = (element: 'bf16' | 'f32' = 'f32'): SegmentPlan[] => [
  { role: 'recent', tokens: 'rest', key: exact(element), value: exact(element) },
]

export const layerPlan = (perHead: number, fields: Partial<LayerPlan> = {}): LayerPlan => ({
  tokens: { perHead, pool: 'head', floor: 0 },
  keys: { rope: 'after', transform: 'none' },
  values: { transform: 'none' },
  segments: exactSegments(),
  residual: { keys: 'group', values: 'group' },
  stages: [],
  protect: { first: 0, last: 0 },
  order: 'position',
  evict: 'never',
  positions: 'true',
  ...fields,
})

/** The same layer plan in every layer. */
export const planOf = (
  config: Pick<ModelConfig, 'layers'>,
  promptTokens: number,
  layer: LayerPlan,
  heads: 'kv' | 'query' = 'kv',
): CompressionPlan => ({
  planVersion: 2,
  heads,
  promptTokens,
  layers: Array.from({ length: config.layers }, () => layer),
})

/** Everything kept exactly. */
export const fullPlan = (config: Pick<ModelConfig, 'layers'>, tokens: number): CompressionPlan =>
  planOf(config, tokens, layerPlan(tokens))

export interface Prefilled {
  readonly contexts: NativeContext[]
  /** [plans][layers][stored heads] kept positions */
  readonly kept: Int32Array[][][]
  /** [tokens, vocab], only when asked for */
  readonly logits: Float32Array | undefined
}

/** Runs a whole prefill for several plans. */
export async function prefill(
  { model, config }: Pick<OpenModel, 'model' | 'config'>,
  ids: readonly number[] | Int32Array,
  plans: readonly CompressionPlan[],
  want: { allLogits?: boolean } = {},
): Promise<Prefilled> {
  const run = model.startPrefill(Int32Array.from(ids), plans)
  const kept: Int32Array[][][] = plans.map(() => [])
  for (let layer = 0; layer < config.layers; layer++) {
    await run.runLayer()
    for (const [i] of plans.entries()) kept[i]?.push(await run.compressLayer(i))
  }
  const logits = want.allLogits ? await run.allLogits() : undefined
  const contexts = await run.finish()
  run.dispose()
  return { contexts, kept, logits }
}

export const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 } as const

/** Greedy ids, the first one from the logits that are there. */
export async function generateGreedy(context: NativeContext, count: number): Promise<number[]> {
  const ids: number[] = []
  while (ids.length < count) {
    const { id } = await context.sample(greedy)
    ids.push(id)
    if (ids.length < count) await context.append(Int32Array.of(id))
  }
  return ids
}

export const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let largest = 0
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs((a[i] ?? NaN) - (b[i] ?? NaN)))
  return a.length === b.length ? largest : Infinity
}
