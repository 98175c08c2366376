import { isPlainObject, type Json } from '../json.ts'
import type { AnyMethod } from './method.ts'

/** A method and its options as a spec holds them: `{ "method": "snapkv", "window": 16 }`. */
export interface MethodRef {
  readonly method: string
  readonly [option: string]: Json
}

/** A reference made by a typed factory: the same JSON, carrying its method, so that code needs no registry. */
const carried = Symbol.for('qpkv.method')

/** The symbol property is not enumerable: JSON, spreads and deep comparisons see only the options. */
export function attachMethod(ref: MethodRef, method: AnyMethod): MethodRef {
  Object.defineProperty(ref, carried, { value: method })
  return Object.freeze(ref)
}

/** The method that a factory's value carries; undefined for plain JSON. */
export function carriedMethod(ref: unknown): AnyMethod | undefined {
  if (!isPlainObject(ref)) return undefined
  const method = (ref as { [carried]?: unknown })[carried]
  // Methods are functions with properties.
  return typeof method === 'function' ? (method as unknown as AnyMethod) : undefined
}
