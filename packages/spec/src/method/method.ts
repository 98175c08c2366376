import type { JsonObject } from '../json.ts'
import type { OptionShape } from '../options/option-shape.ts'
import type { AnyAllocator } from './allocator.ts'
import type { AnyPruner } from './pruner.ts'
import type { AnyQuantizer } from './quantizer.ts'
import type { Role } from './roles.ts'
import type { AnySharing } from './sharing.ts'

/** Version of the contract between methods and `resolve` that this package speaks. */
export const CONTRACT = 2

/** What every method says about itself. Methods are frozen values; they hold no state. */
export interface MethodFacts {
  readonly contract: typeof CONTRACT
  /** First-party short name, or the npm package name. */
  readonly name: string
  /** Link to the paper. */
  readonly paper: string
  readonly options: OptionShape
  /** Named sets of option defaults that do what an original's code does. */
  readonly profiles: { readonly [name: string]: JsonObject }
}

/** The methods of each role, whatever their options. */
export interface MethodsByRole {
  readonly pruner: AnyPruner
  readonly allocator: AnyAllocator
  readonly sharing: AnySharing
  readonly quantizer: AnyQuantizer
}

/** Any role. */
export type AnyMethod = MethodsByRole[Role]
