import { isPlainObject } from '@qpkv/spec'
import type { Architecture, RopeRule } from './architecture.ts'
import type { ConfigReader } from './config-reader.ts'
import { ropeFrequencies, type RopeFrequencies } from './rope.ts'

/** The rotary embeddings of a model and which layer turns by which. */
export interface LayerRopes {
  /** The first is that of the layers that see everything. */
  readonly ropes: readonly [RopeFrequencies, ...RopeFrequencies[]]
  /** Per layer: index into `ropes`, or -1 where positions are not rotated. */
  readonly layerRope: readonly number[]
}

/** Per layer: whether it is rotated, by `no_rope_layers` (1: rotated) or each n-th not. */
export function rotatedLayers(config: ConfigReader, architecture: Architecture, layers: number): boolean[] {
  const rule = architecture.rope?.without
  if (!rule) return Array.from({ length: layers }, () => true)
  const list = config.raw(rule.listField)
  if (list === undefined) {
    const every = config.integer(rule.everyField, { min: 1, max: 4096 }, rule.every)
    return Array.from({ length: layers }, (_, layer) => (layer + 1) % every !== 0)
  }
  if (!Array.isArray(list) || list.length < layers || !list.every((item) => item === 0 || item === 1))
    throw config.wrong(`a list of ${layers} times 0 or 1`, rule.listField, list)
  return list.slice(0, layers).map((item) => item === 1)
}

/** @throws KV_UNSUPPORTED_MODEL for rotary settings that are not computed, by their field. */
export function layerRopes(
  config: ConfigReader,
  architecture: Architecture,
  at: {
    headDim: number
    maxPositions: number
    rotated: readonly boolean[]
    slidingWindow: readonly number[]
  },
): LayerRopes {
  const rule = architecture.rope ?? {}
  const read = (reader: ConfigReader) => ropeFrequencies(reader, at.headDim, at.maxPositions, rule)
  const windowed = at.slidingWindow.map((window) => window > 0)
  if (!rule.windowed)
    return { ropes: [read(config)], layerRope: at.rotated.map((rotates) => (rotates ? 0 : -1)) }
  return {
    ropes: [read(fullLayers(config, rule)), read(windowedLayers(config, rule.windowed))],
    layerRope: at.rotated.map((rotates, layer) => (rotates ? Number(windowed[layer]) : -1)),
  }
}

/** What turns the first channels of a layer's keys in a text of `tokens` tokens; no frequencies where nothing does. */
export function ropeOfLayer(
  { ropes, layerRope }: LayerRopes,
  layer: number,
  tokens: number,
): Pick<RopeFrequencies, 'inverse' | 'attentionFactor'> {
  const rope = ropes[layerRope[layer] ?? -1]
  if (!rope) return { inverse: new Float32Array(), attentionFactor: 1 }
  return rope.long && tokens > rope.long.beyond ? rope.long : rope
}

/** `rope_parameters` by the type of layer, as newer configs write them. */
function byLayerType(config: ConfigReader, type: string): Record<string, unknown> | undefined {
  const parameters = config.raw('rope_parameters')
  if (!isPlainObject(parameters)) return undefined
  const own = parameters[type]
  return isPlainObject(own) ? own : undefined
}

function fullLayers(config: ConfigReader, rule: RopeRule): ConfigReader {
  const own = byLayerType(config, 'full_attention')
  return config.with({
    [rule.windowed?.thetaField ?? '']: undefined,
    ...(own && { rope_parameters: own, rope_scaling: undefined }),
  })
}

/** Without parameters of their own, windowed layers turn unscaled by a theta of their own. */
function windowedLayers(config: ConfigReader, { thetaField, theta }: NonNullable<RopeRule['windowed']>) {
  const own = byLayerType(config, 'sliding_attention') ?? { rope_type: 'default' }
  return config.with({
    [thetaField]: undefined,
    rope_scaling: undefined,
    rope_theta: config.positive(thetaField, theta),
    rope_parameters: own,
  })
}
