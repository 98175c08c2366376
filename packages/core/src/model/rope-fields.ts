import { isDeepStrictEqual } from 'node:util'
import { describeValue, isPlainObject, nearestName } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { RopeRule } from './architecture.ts'
import { ConfigReader } from './config-reader.ts'

type Fields = Readonly<Record<string, unknown>>

/** The rotary settings of a config.json, brought into one form from wherever its versions put them. */
export interface RopeFields {
  /** `rope_type`. */
  readonly type: string
  readonly theta: number
  /** Part of a head's channels that turn, the first ones. */
  readonly part: number
  /** The fields of the scaling. */
  readonly scaling: ConfigReader
  /** `original_max_position_embeddings`, where it is given. */
  readonly originalTokens: number | undefined
}

/** The fields of each type. What is not named here is refused: a field that is passed over gives another model's replies. */
const fieldsOf: Readonly<Record<string, readonly string[]>> = {
  default: [],
  linear: ['factor', 'original_max_position_embeddings'],
  llama3: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'],
  yarn: [
    'factor',
    'original_max_position_embeddings',
    'attention_factor',
    'beta_fast',
    'beta_slow',
    'mscale',
    'mscale_all_dim',
    'truncate',
  ],
  longrope: ['short_factor', 'long_factor', 'factor', 'attention_factor', 'original_max_position_embeddings'],
}
/** Names that files have for the same type. */
const alias = (type: unknown) => (type === 'su' ? 'longrope' : type)
/** Names of the type and of theta; `finetuned` is a remark. */
const common = ['rope_type', 'type', 'rope_theta', 'finetuned', 'partial_rotary_factor']
/** Settings of rotary embeddings beside those objects that the supported families read. */
const outside = ['rope_theta', 'rope_scaling', 'rope_parameters']
/** What such settings are where they change nothing. */
const isNothing = (value: unknown) => value === undefined || value === false || value === 1

/**
 * Reads `rope_theta`, `rope_scaling` and `rope_parameters`. Both objects together are one setting where they do not contradict
 * each other (the pages of several models say to add `rope_scaling`, whatever else is there).
 * @throws KV_UNSUPPORTED_MODEL for types and settings that are not computed; KV_CONFIG for contradictions and unknown fields.
 */
export function readRopeFields(config: ConfigReader, rule: RopeRule = {}): RopeFields {
  for (const name of config.names)
    if (/^(rope|rotary)_/.test(name) && !outside.includes(name) && !isNothing(config.raw(name)))
      throw unsupported(config, name, 'this setting of the rotary embedding is not computed')
  const fields = mergeFields(config)
  const scaling = new ConfigReader(fields, `${ropeField(config)} of ${config.path}`)
  const type = readType(scaling, rule.types ?? Object.keys(fieldsOf))
  for (const name of scaling.names)
    if (scaling.raw(name) !== undefined && ![...common, ...(fieldsOf[type] ?? [])].includes(name))
      throw unknownField(scaling, type, name)
  return {
    type,
    theta: scaling.positive('rope_theta', rule.theta ?? 10_000),
    part: readPart(config, scaling, rule),
    scaling,
    originalTokens: readOriginal(config, scaling) ?? rule.originalTokens,
  }
}

function readPart(config: ConfigReader, scaling: ConfigReader, rule: RopeRule): number {
  const name = 'partial_rotary_factor'
  const at = scaling.raw(name) === undefined ? config : scaling
  const part = at.positive(name, 1)
  if (part > 1) throw at.wrong('a number above 0 and at most 1', name, part)
  if (part !== 1 && !rule.partial)
    throw unsupported(at, name, 'only heads that are rotated whole are supported in this family')
  return part
}

const ropeField = (config: ConfigReader) =>
  config.raw('rope_scaling') === undefined ? 'rope_parameters' : 'rope_scaling'

function mergeFields(config: ConfigReader): Fields {
  const parameters = sharedByLayers(config, readObject(config, 'rope_parameters'))
  const scaling = readObject(config, 'rope_scaling')
  const typed = (fields: Fields) => (fields['rope_type'] ?? fields['type'] ?? 'default') !== 'default'
  if (typed(parameters) && config.raw('rope_scaling') !== undefined)
    for (const [name, value] of Object.entries(withOneType(scaling)))
      if (!isDeepStrictEqual(withOneType(parameters)[name], value))
        throw kvError(
          'KV_CONFIG',
          `rope_parameters and rope_scaling in ${config.path} contradict each other: ${name} is ${describeValue(withOneType(parameters)[name])} and ${describeValue(value)}.`,
          'Remove one of the two.',
        )
  const merged = typed(scaling) ? { ...withoutType(parameters), ...scaling } : { ...scaling, ...parameters }
  return { rope_theta: config.raw('rope_theta'), ...merged }
}

const withoutType = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => name !== 'type' && name !== 'rope_type'))
const withOneType = (fields: Fields): Fields => ({
  ...withoutType(fields),
  rope_type: fields['rope_type'] ?? fields['type'] ?? 'default',
})

function readObject(config: ConfigReader, name: string): Fields {
  const given = config.raw(name) ?? {}
  if (!isPlainObject(given)) throw config.wrong('an object or null', name, given)
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
}

/** Parameters per type of layer are those of the model where all types agree. */
function sharedByLayers(config: ConfigReader, parameters: Fields): Fields {
  const nested = Object.values(parameters).filter(isPlainObject)
  const [first] = nested
  if (!first) return parameters
  if (
    nested.length < Object.keys(parameters).length ||
    nested.some((each) => !isDeepStrictEqual(each, first))
  )
    throw unsupported(
      config,
      'rope_parameters',
      'layers with rotary embeddings of their own are not supported',
    )
  return first
}

function readType(scaling: ConfigReader, types: readonly string[]): string {
  const [named, old] = [alias(scaling.raw('rope_type')), alias(scaling.raw('type'))]
  if (named !== undefined && old !== undefined && named !== old)
    throw kvError(
      'KV_CONFIG',
      `rope_type and type in ${scaling.path} contradict each other: ${describeValue(named)} and ${describeValue(old)}.`,
      'Remove one of the two.',
    )
  const type = named ?? old ?? 'default'
  if (typeof type === 'string' && types.includes(type)) return type
  throw kvError(
    'KV_UNSUPPORTED_MODEL',
    `Expected a supported rope_type in ${scaling.path} but received ${describeValue(type)}.`,
    `Supported are ${types.join(', ')}.`,
  )
}

function readOriginal(config: ConfigReader, scaling: ConfigReader): number | undefined {
  const name = 'original_max_position_embeddings'
  const [outer, inner] = [config, scaling].map((at) =>
    at.raw(name) === undefined ? undefined : at.positive(name),
  )
  if (outer !== undefined && inner !== undefined && outer !== inner)
    throw kvError(
      'KV_CONFIG',
      `${name} in ${config.path} is ${outer}, and ${inner} in its ${ropeField(config)}.`,
      'Remove the wrong one.',
    )
  return outer ?? inner
}

const unsupported = (config: ConfigReader, name: string, why: string) =>
  kvError(
    'KV_UNSUPPORTED_MODEL',
    `${config.path} has ${name} = ${describeValue(config.raw(name))}; ${why}.`,
    'Use a checkpoint of the plain architecture.',
  )

function unknownField(scaling: ConfigReader, type: string, name: string): Error {
  const known = fieldsOf[type] ?? []
  const near = nearestName(name, [...common, ...Object.values(fieldsOf).flat()])
  return kvError(
    'KV_CONFIG',
    `${scaling.path} has a field ${name} that rope_type ${type} does not have${near !== undefined && near !== name ? `; did you mean ${near}?` : '.'}`,
    known.length > 0
      ? `Its fields are ${known.join(', ')}.`
      : `Say which scaling is meant: rope_type is one of ${Object.keys(fieldsOf).join(', ')}.`,
  )
}
