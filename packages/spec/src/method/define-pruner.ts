import { makeMethod, profilesAsJson, type MethodFactory } from './define-method.ts'
import type { Allocation, AnyPruner, Observed, Selection, SelectionContext } from './method.ts'
import type { OptionShape, OptionValues, Profiles } from '../options/option-shape.ts'

/** What an author writes; see docs of each field in {@link AnyPruner} and {@link Selection}. */
export interface PrunerDefinition<S extends OptionShape, P extends string> {
  readonly name: string
  /** Link to the paper. */
  readonly paper: string
  readonly options: S
  /** Named sets of defaults: what the originals' code does. */
  readonly profiles?: Profiles<S, P>
  /** Tokens per stored head and layer; left out: an equal share. Their cost must not exceed that of the capacities. */
  readonly allocate?: (options: OptionValues<S>, at: Allocation) => readonly number[]
  /**
   * Whether these options allocate at all; left out: whenever `allocate` is given.
   * Without it shares are equal, and exact for bytes.
   */
  readonly allocates?: (options: OptionValues<S>) => boolean
  /** Which tokens to keep, as data. */
  readonly select: (options: OptionValues<S>, at: SelectionContext) => Selection
  /** Escape hatch in TypeScript: replaces the observed scores, [heads, tokens]. */
  readonly score?: (options: OptionValues<S>, observed: Observed) => Float32Array
  /** True where a profile keeps more than the budget, as the code that it follows does. */
  readonly overspends?: (options: OptionValues<S>) => boolean
}

/** A pruner and its factory in one value: `snapkv` is registered, `snapkv({ window: 16 })` stands in a spec. */
export type Pruner<S extends OptionShape = OptionShape, P extends string = string> = AnyPruner &
  MethodFactory<S, P>

/**
 * Makes a pruner of its definition: a frozen value that checks options when it is called.
 * The value throws KV_INVALID_OPTION for options that the definition does not accept.
 */
export const definePruner = <S extends OptionShape, P extends string = never>(
  definition: PrunerDefinition<S, P>,
): Pruner<S, P> =>
  makeMethod<S, P, AnyPruner>(
    {
      name: definition.name,
      paper: definition.paper,
      options: definition.options,
      profiles: profilesAsJson(definition.profiles),
    },
    'pruner',
    (options) => {
      const { score } = definition
      const allocate = definition.allocates?.(options) === false ? undefined : definition.allocate
      return Object.freeze({
        ...(allocate && { allocate: (at: Allocation) => allocate(options, at) }),
        select: (at: SelectionContext) => definition.select(options, at),
        ...(score && { score: (observed: Observed) => score(options, observed) }),
        overspends: definition.overspends?.(options) ?? false,
      })
    },
  )
