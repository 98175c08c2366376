import type { OptionShape, OptionValues } from '../options/option-shape.ts'
import { makeMethod, type MethodDefinition, type MethodFactory, type NoExcess } from './define-method.ts'
import type { AnySharing, SharingContext, SharingRule } from './sharing.ts'

/** What an author writes; see docs of each field in {@link SharingRule}. */
export interface SharingDefinition<S extends OptionShape, P extends string> extends MethodDefinition<S, P> {
  /** Who competes for the slots of a layer, as data. */
  readonly share: (options: OptionValues<S>, at: SharingContext) => SharingRule
}

/** A sharing and its factory in one value. */
export type Sharing<S extends OptionShape = OptionShape, P extends string = string> = AnySharing &
  MethodFactory<S, P>

/** Makes a sharing of its definition: a frozen value that checks options when it is called. */
export const defineSharing = <
  S extends OptionShape,
  P extends string = never,
  R extends SharingRule = SharingRule,
>(
  definition: SharingDefinition<S, P> & {
    readonly share: (options: OptionValues<S>, at: SharingContext) => R & NoExcess<R, SharingRule>
  },
): Sharing<S, P> =>
  makeMethod(
    'sharing',
    definition as SharingDefinition<S, P>,
    { required: ['share'], optional: [] },
    (options) => Object.freeze({ share: (at: SharingContext) => definition.share(options, at) }),
  )
