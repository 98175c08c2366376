import type { ModelFacts } from '../facts.ts'
import type { TokenShare } from '../plan/layer-plan.ts'
import type { MethodFacts } from './method.ts'

/** Who competes for the slots of a layer, as data. See TokenShare for the fields. */
export interface SharingRule {
  readonly pool: TokenShare['pool']
  /** 0 if left out. */
  readonly floor?: number
  readonly guard?: TokenShare['guard']
  readonly weigh?: TokenShare['weigh']
  readonly rounding?: TokenShare['rounding']
}

/** What a sharing knows of a layer. */
export interface SharingContext {
  readonly model: ModelFacts
  readonly layer: number
}

/** A sharing with its options resolved. */
export interface BoundSharing {
  readonly share: (at: SharingContext) => SharingRule
}

/** A sharing as registries hold it, whatever its options. */
export interface AnySharing extends MethodFacts {
  readonly role: 'sharing'
  bind(options: unknown, path: string): BoundSharing
}
