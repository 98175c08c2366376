import type { AnyMethod, MethodRef, Option, Registry, Tier } from '@qpkv/spec'

/** What each axis of a spec may be, from the methods that are installed, with their defaults. */
export interface MethodChoices {
  readonly pruners: readonly MethodRef[]
  /** Undefined: as the pruner does. */
  readonly allocators: readonly (MethodRef | undefined)[]
  readonly sharings: readonly (MethodRef | undefined)[]
  /** Every method at every width of `WIDTHS` that it takes. */
  readonly quantizers: readonly MethodRef[]
  readonly tiers: readonly (readonly Tier[] | undefined)[]
}

const WIDTHS = [8, 4, 3, 2] as const

/** Widths by score that are tried beside one width for all. */
const TIERS: readonly (readonly Tier[])[] = [
  [
    { share: 0.1, bits: 8 },
    { share: 0.3, bits: 4 },
    { share: 'rest', bits: 2 },
  ],
  [
    { share: 0.25, bits: 4 },
    { share: 'rest', bits: 2 },
  ],
  [
    { share: 0.2, bits: 8 },
    { share: 'rest', bits: 4 },
  ],
]

/** Windows in 16 bit, and of observation, where the usual 32 tokens would take much of the budget. */
const NARROW = { recent: 8, window: 16 } as const

/** `narrow`: with shorter windows than the methods' own. */
export function methodChoices(registry: Registry, narrow: boolean): MethodChoices {
  const windows = ({ options }: AnyMethod) =>
    Object.fromEntries(
      Object.entries(NARROW).filter(([name, tokens]) => narrow && shortens(options[name], tokens)),
    )
  const refs = (methods: ReadonlyMap<string, AnyMethod>) =>
    [...methods].map(([method, one]): MethodRef => ({ method, ...windows(one) }))
  const others = (methods: ReadonlyMap<string, AnyMethod>) =>
    refs(methods).filter(({ method }) => method !== 'none')
  return {
    pruners: refs(registry.pruners),
    allocators: [undefined, ...others(registry.allocators)],
    sharings: [undefined, ...others(registry.sharings)],
    quantizers: [...registry.quantizers].flatMap(([method, one]): MethodRef[] => {
      const ref = { method, ...windows(one) }
      const widths = WIDTHS.filter((bits) => takes(one.options['bits'], bits))
      return widths.length === 0 ? [ref] : widths.map((bits) => ({ ...ref, bits }))
    }),
    tiers: [undefined, ...TIERS],
  }
}

/** Whether a window would be shorter than the method's own; none, or one that follows from other options, is longer. */
const shortens = (option: Option<unknown> | undefined, tokens: number): boolean =>
  takes(option, tokens) && !(typeof option?.default === 'number' && option.default <= tokens)

function takes(option: Option<unknown> | undefined, value: number): boolean {
  if (option === undefined) return false
  try {
    option.check(value, '')
    return true
  } catch {
    return false
  }
}
