import { expected, isPlainObject, refuseUnknown } from '@qpkv/spec'

/** A check of a compressed prompt before it is used; `true` takes the defaults. */
export interface CanaryOptions {
  /** Numbers hidden in a copy of the prompt and asked for, 1 to 64; default 8. */
  readonly needles?: number
  /** Part of what the full cache finds that the compressed one has to find, 0 to 1; default 0.75. */
  readonly threshold?: number
  /** `refuse`: the prefill ends with KV_CANARY. Default `warn`. */
  readonly onFail?: 'warn' | 'refuse'
  /** Which numbers and places; default 1. */
  readonly seed?: number
}

/** Filled in and checked; undefined where none is wanted. @throws KV_INVALID_OPTION */
export function resolveCanary(given: unknown): Required<CanaryOptions> | undefined {
  if (given === undefined || given === false) return undefined
  if (given !== true && !isPlainObject(given)) throw expected('true or an object of options', 'canary', given)
  const options = given === true ? {} : (given as CanaryOptions)
  refuseUnknown(options, ['needles', 'threshold', 'onFail', 'seed'], 'canary')
  const { needles = 8, threshold = 0.75, onFail = 'warn', seed = 1 } = options
  if (!Number.isSafeInteger(needles) || needles < 1 || needles > 64)
    throw expected('a whole number from 1 to 64', 'canary.needles', needles)
  if (!(typeof threshold === 'number' && threshold >= 0 && threshold <= 1))
    throw expected('a number from 0 to 1', 'canary.threshold', threshold)
  if (!['warn', 'refuse'].includes(onFail)) throw expected("'warn' or 'refuse'", 'canary.onFail', onFail)
  if (!Number.isSafeInteger(seed)) throw expected('a whole number', 'canary.seed', seed)
  return { needles, threshold, onFail, seed }
}
