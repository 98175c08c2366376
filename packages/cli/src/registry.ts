import { registry as everyMethod } from '@qpkv/methods'
import type { Registry } from '@qpkv/spec'

/** Every first-party method by name. */
export const registry: Registry = everyMethod
