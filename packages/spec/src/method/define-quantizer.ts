import { isPlainObject } from '../json.ts'
import type { OptionShape, OptionValues } from '../options/option-shape.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import { makeMethod, type MethodDefinition, type MethodFactory, type NoExcess } from './define-method.ts'
import type { AnyQuantizer, Block, FormatContext, LayerStorage, RoundTrip } from './quantizer.ts'

/** Coding in TypeScript, for storage that no kernel knows. */
export interface Simulation<S extends OptionShape> {
  /** Whether these options need it; formats must then be exact and name their code widths. */
  readonly used: (options: OptionValues<S>) => boolean
  readonly roundTrip: (options: OptionValues<S>, block: Block) => RoundTrip
  readonly bytes: (options: OptionValues<S>, shape: Omit<Block, 'values'>) => number
}

/** What an author writes; see docs of each field in {@link AnyQuantizer} and {@link LayerStorage}. */
export interface QuantizerDefinition<S extends OptionShape, P extends string> extends MethodDefinition<S, P> {
  /** How K and V of a layer are stored, as data. */
  readonly format: (options: OptionValues<S>, at: FormatContext) => LayerStorage
  readonly simulation?: Simulation<S>
  /** Facts about the data it uses, for reports. */
  readonly notes?: (options: OptionValues<S>) => readonly string[]
  /** SHA-256 of the calibration in use, if any. */
  readonly calibration?: (options: OptionValues<S>) => string | undefined
}

/** A quantizer and its factory in one value: `kivi` is registered, `kivi({ bits: 4 })` stands in a spec. */
export type Quantizer<S extends OptionShape = OptionShape, P extends string = string> = AnyQuantizer &
  MethodFactory<S, P>

/**
 * Makes a quantizer of its definition: a frozen value that checks options when it is called.
 * The value throws KV_INVALID_OPTION for options that the definition does not accept.
 */
export const defineQuantizer = <
  S extends OptionShape,
  P extends string = never,
  R extends LayerStorage = LayerStorage,
>(
  definition: QuantizerDefinition<S, P> & {
    readonly format: (options: OptionValues<S>, at: FormatContext) => R & NoExcess<R, LayerStorage>
  },
): Quantizer<S, P> => {
  const given: unknown = definition.simulation
  if (isPlainObject(given))
    refuseUnknown(given, ['used', 'roundTrip', 'bytes'], 'defineQuantizer().simulation', 'KV_METHOD', 'field')
  return makeMethod(
    'quantizer',
    definition as QuantizerDefinition<S, P>,
    { required: ['format'], optional: ['simulation', 'notes', 'calibration'] },
    (options) => {
      const simulation = definition.simulation?.used(options) ? definition.simulation : undefined
      const calibration = definition.calibration?.(options)
      return Object.freeze({
        format: (at: FormatContext) => definition.format(options, at),
        ...(simulation && {
          roundTrip: (block: Block) => simulation.roundTrip(options, block),
          roundTripBytes: (shape: Omit<Block, 'values'>) => simulation.bytes(options, shape),
        }),
        notes: definition.notes?.(options) ?? [],
        ...(calibration !== undefined && { calibration }),
      })
    },
  )
}
