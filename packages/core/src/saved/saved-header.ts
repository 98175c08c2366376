import {
  checkPlan,
  checkSpec,
  isPlainObject,
  loadRecipe,
  type CompressionPlan,
  type CompressionSpec,
  type ModelFacts,
  type Recipe,
} from '@qpkv/spec'
import type { CanaryReport } from '../canary/canary-report.ts'
import type { ModelPrecision } from '../native/addon.ts'
import type { Recompressed } from '../recompress/recompress-context.ts'
import type { WeightsMode } from '../weights/weights-mode.ts'
import { refuse } from './refuse.ts'

/** Of the header's fields and of the native layout behind them: another version is another file. */
export const CONTEXT_FILE_VERSION = 1

/** Where a run of bytes lies in the file. */
export interface Place {
  readonly offset: number
  readonly bytes: number
}

/** What stands at the beginning of a saved context, as JSON. */
export interface SavedHeader {
  readonly version: typeof CONTEXT_FILE_VERSION
  /** Who wrote it; for readers, nothing depends on it. */
  readonly written: { readonly table: string }
  readonly model: {
    /** modelIdentity() */
    readonly identity: string
    readonly precision: ModelPrecision
    readonly weights: WeightsMode
    /** What the weights came to: bytes by format. */
    readonly formats: Readonly<Record<string, number>>
  }
  readonly spec: CompressionSpec
  /** As the engine was given it. */
  readonly plan: CompressionPlan
  readonly spentNominal: number
  readonly spentBytes: number
  readonly windowedLayers: readonly number[]
  /** Left out: 1. */
  readonly promptPasses?: 2
  readonly simulatedBytes?: number
  readonly recipe?: Recipe
  /** For reports. */
  readonly canary?: CanaryReport
  readonly recompressed?: readonly Recompressed[]
  readonly prompt: { readonly chat: boolean; readonly userEnd?: number }
  readonly prefillMs: number
  /** Tokens that the prefill was told to expect. */
  readonly expected: number
  /** Whether it may grow beyond what the model was made for. */
  readonly unlimited: boolean
  /** All tokens that are in the cache. */
  readonly ids: readonly number[]
  /** Chosen, but not in the cache yet. */
  readonly pending?: number
  /** State of the random numbers, 32 bytes in hexadecimal digits. */
  readonly random: string
  /** float32 [vocab] of the next token, with their CRC-32. */
  readonly logits: Place & { readonly crc: number }
  /** Per layer what the engine wrote; checked there. */
  readonly layers: readonly Place[]
}

/** Holds a header against what it may say of this model. Everything else in the file is found through it. */
export function checkHeader(value: unknown, facts: ModelFacts & { readonly vocabSize: number }): SavedHeader {
  const at = (condition: boolean, field: string) => {
    if (!condition) refuse(`its header's ${field} is not what it can be`)
  }
  if (!isPlainObject(value)) refuse('its header is no object')
  if (value['version'] !== CONTEXT_FILE_VERSION)
    refuse(`it has version ${String(value['version'])}; this qpkv reads ${CONTEXT_FILE_VERSION}`)
  const header = value as unknown as SavedHeader
  const { ids, pending, random, logits, layers, prompt, expected, windowedLayers, simulatedBytes } = header
  const isId = (id: unknown) => isCount(id) && id < facts.vocabSize
  at(Array.isArray(ids) && ids.length > 0 && ids.every(isId), 'ids')
  at(pending === undefined || isId(pending), 'pending')
  at(typeof random === 'string' && /^[0-9a-f]{64}$/.test(random), 'random')
  at(isPlace(logits) && logits.bytes === 4 * facts.vocabSize && isCount(logits.crc), 'logits')
  at(Array.isArray(layers) && layers.length === facts.layers && layers.every(isPlace), 'layers')
  at(isPlainObject(prompt) && typeof prompt.chat === 'boolean', 'prompt')
  at(isCount(expected) && expected < 2 ** 31, 'expected')
  at(typeof header.unlimited === 'boolean', 'unlimited')
  at(Array.isArray(windowedLayers) && windowedLayers.every(isCount), 'windowedLayers')
  at(header.promptPasses === undefined || header.promptPasses === 2, 'promptPasses')
  at(simulatedBytes === undefined || isCount(simulatedBytes), 'simulatedBytes')
  for (const field of ['spentNominal', 'spentBytes', 'prefillMs'] as const)
    at(typeof header[field] === 'number' && header[field] >= 0, field)
  const plan = checkPlan(header.plan, facts)
  at(plan.promptTokens <= ids.length, 'plan.promptTokens')
  at(header.canary === undefined || isPlainObject(header.canary), 'canary')
  at(header.recompressed === undefined || Array.isArray(header.recompressed), 'recompressed')
  const recipe = header.recipe && loadRecipe(header.recipe)
  return { ...header, plan, spec: checkSpec(header.spec), ...(recipe && { recipe }) }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const isPlace = (value: unknown): boolean =>
  isPlainObject(value) && isCount(value['offset']) && isCount(value['bytes'])
