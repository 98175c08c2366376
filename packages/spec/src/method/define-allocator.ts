import type { OptionShape, OptionValues } from '../options/option-shape.ts'
import type { AnyAllocator, AllocatedTokens, Allocation, Measure, MeasureContext } from './allocator.ts'
import { makeMethod, type MethodDefinition, type MethodFactory } from './define-method.ts'

/** What an author writes; see docs of each field in {@link AnyAllocator}. */
export interface AllocatorDefinition<S extends OptionShape, P extends string> extends MethodDefinition<S, P> {
  /**
   * Tokens per stored head and layer; undefined: an equal share, exact for bytes. Their cost must not exceed that of
   * the capacities.
   */
  readonly allocate: (options: OptionValues<S>, at: Allocation) => readonly AllocatedTokens[] | undefined
  /**
   * What to measure of every layer before the budget is shared out; `layers[…].measured` of `allocate` has it. The prompt
   * passes through the model once more for it.
   */
  readonly measure?: (options: OptionValues<S>, at: MeasureContext) => Measure | undefined
  /** True where a profile keeps more than the budget, as the code that it follows does. */
  readonly overspends?: (options: OptionValues<S>) => boolean
  /** True where a profile may keep fewer tokens than the pruner protects, as the code that it follows does. */
  readonly belowProtected?: (options: OptionValues<S>) => boolean
  /** True where `allocate` answers with {@link TieredTokens}; only then may a spec leave the shares of its tiers out. */
  readonly countsTiers?: boolean
}

/** An allocator and its factory in one value. */
export type Allocator<S extends OptionShape = OptionShape, P extends string = string> = AnyAllocator &
  MethodFactory<S, P>

/** Makes an allocator of its definition: a frozen value that checks options when it is called. */
export const defineAllocator = <S extends OptionShape, P extends string = never>(
  definition: AllocatorDefinition<S, P>,
): Allocator<S, P> =>
  makeMethod(
    'allocator',
    definition,
    { required: ['allocate'], optional: ['measure', 'overspends', 'belowProtected', 'countsTiers'] },
    (options) => {
      const { measure } = definition
      return Object.freeze({
        allocate: (at: Allocation) => definition.allocate(options, at),
        ...(measure && { measure: (at: MeasureContext) => measure(options, at) }),
        overspends: definition.overspends?.(options) ?? false,
        belowProtected: definition.belowProtected?.(options) ?? false,
        countsTiers: definition.countsTiers ?? false,
      })
    },
  )
