import { definePruner } from './define-pruner.ts'
import { defineQuantizer } from './define-quantizer.ts'
import { exactFormat } from '../plan/formats.ts'

/** Keeps every token. With a budget it works where everything fits, else KV_BUDGET_TOO_SMALL. */
export const nonePruner = definePruner({
  name: 'none',
  paper: '',
  options: {},
  select: (_, { candidates }) => ({ observe: { what: 'nothing' }, protect: { first: 0, last: candidates } }),
})

/** Stores K and V exactly, in 16 bit. */
export const noneQuantizer = defineQuantizer({
  name: 'none',
  paper: '',
  options: {},
  format: () => ({ key: exactFormat(), value: exactFormat() }),
})

/** Either role's `none`: the default of both. */
export const none = () => ({ method: 'none' }) as const
