import type { OptionShape, OptionValues } from '../options/option-shape.ts'
import { makeMethod, type MethodDefinition, type MethodFactory, type NoExcess } from './define-method.ts'
import type { MethodRef } from './method-ref.ts'
import type { AnyPruner, LayerContext, Observed, Selection } from './pruner.ts'

/** What an author writes; see docs of each field in {@link AnyPruner} and {@link Selection}. */
export interface PrunerDefinition<S extends OptionShape, P extends string> extends MethodDefinition<S, P> {
  /** Which tokens of a layer to keep, as data. Asked once per layer, before anything is measured. */
  readonly layer: (options: OptionValues<S>, at: LayerContext) => Selection
  /** Escape hatch in TypeScript: replaces the scores that `layer` asked for, [heads, tokens]. */
  readonly score?: (options: OptionValues<S>, observed: Observed) => Float32Array
  /** Which options of the pruner want its `score`; left out: all. */
  readonly scores?: (options: OptionValues<S>) => boolean
  /** A preset's allocator, by its own factory; undefined: equal shares. */
  readonly allocate?: (options: OptionValues<S>) => MethodRef | undefined
  /** A preset's sharing, by its own factory; undefined: each head for itself. */
  readonly share?: (options: OptionValues<S>) => MethodRef | undefined
}

/** A pruner and its factory in one value: `snapkv` is registered, `snapkv({ window: 16 })` stands in a spec. */
export type Pruner<S extends OptionShape = OptionShape, P extends string = string> = AnyPruner &
  MethodFactory<S, P>

/**
 * Makes a pruner of its definition: a frozen value that checks options when it is called.
 * The value throws KV_INVALID_OPTION for options that the definition does not accept.
 */
export const definePruner = <
  S extends OptionShape,
  P extends string = never,
  R extends Selection = Selection,
>(
  definition: PrunerDefinition<S, P> & {
    readonly layer: (options: OptionValues<S>, at: LayerContext) => R & NoExcess<R, Selection>
  },
): Pruner<S, P> =>
  makeMethod(
    'pruner',
    definition as PrunerDefinition<S, P>,
    { required: ['layer'], optional: ['score', 'scores', 'allocate', 'share'] },
    (options) => {
      const { score } = definition
      const wanted = score && (definition.scores?.(options) ?? true)
      const allocate = definition.allocate?.(options)
      const share = definition.share?.(options)
      return Object.freeze({
        layer: (at: LayerContext) => definition.layer(options, at),
        ...(wanted && { score: (observed: Observed) => score(options, observed) }),
        ...(allocate && { allocate }),
        ...(share && { share }),
      })
    },
  )
