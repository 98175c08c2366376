import { expected } from '../errors.ts'
import { exactFormat, packedFormat } from '../plan/formats.ts'
import type { FormatContext, LayerStorage } from './quantizer.ts'
import { integer, oneOf } from '../options/option.ts'
import type { Residual } from '../plan/layer-plan.ts'
import type { Bits, PackedFormat, Solver, TensorFormat } from '../plan/tensor-format.ts'

/** Releases of the code of arXiv 2309.15531 whose rules differ. */
const proximal = { kind: 'proximal', steps: 20, norm: 0.7, beta: 10 } as const
const solvers = {
  'min-max': { kind: 'min-max' },
  'hqq-0.2.2': { ...proximal, growth: 1.01, limit: 1e4, flat: 0 },
  'hqq-0.2.8': { ...proximal, growth: 1, flat: 1e-4 },
} as const satisfies Record<string, Solver>
/** How scale and minimum of a group are found, by the name that options use. */
export type SolverName = keyof typeof solvers

const GROUP = 32

/** The names that quantizers offer for their option `solver`. */
export const solverNames = Object.keys(solvers) as SolverName[]
/** The solver of a format by its name. */
export const solverOf = (name: SolverName): Solver => solvers[name]

/** What `kiviStorage` needs; tokens count kept tokens of one head. */
export interface KiviOptions {
  readonly bits: PackedFormat['bits']
  /** Tokens (keys) and channels (values, at most the head dimension) that share a scale. */
  readonly group: number
  readonly recent: number
  readonly residual: keyof typeof residuals
  readonly solver: Solver
}

/**
 * KIVI's storage (arXiv 2402.02750): keys per channel over tokens, values per token over channels, the newest tokens exact.
 * @throws KV_INVALID_OPTION where a group was asked for that is wider than a head; the default one is then a head wide.
 */
export function kiviStorage(options: KiviOptions, at: FormatContext): LayerStorage {
  const { group, recent, residual, solver } = options
  const { headDim } = at.model
  const valueBits = at.valueBits ?? options.bits
  if (valueBits !== 16 && group > headDim && group !== GROUP)
    throw expected(
      `at most the ${headDim} channels of a head`,
      'quantize.group',
      group,
      'KV_INVALID_OPTION',
      'Leave it out, and the group is as wide as a head.',
    )
  const packed = (bits: Bits, scalePer: 'channel' | 'token', size: number): TensorFormat =>
    bits === 16 ? exactFormat() : packedFormat({ bits, scalePer, group: size, solver })
  return {
    key: packed(at.keyBits ?? options.bits, 'channel', group),
    value: packed(valueBits, 'token', Math.min(group, headDim)),
    recent,
    residual: residuals[residual],
  }
}

/** How later tokens leave 16 bit, by the name that options use. */
const residuals = {
  unified: { keys: 'group', values: 'group' },
  kivi: { keys: 'block', values: 'token' },
} as const satisfies Record<string, Residual>

/** The options of `kiviStorage`, for a method's definition; `bits` is the method's own. */
export const kiviStorageOptions = {
  group: oneOf([16, 32, 64, 128], {
    default: GROUP,
    doc: 'Tokens (keys) or channels (values, at most the head dimension) that share a scale.',
  }),
  recent: integer({ default: 32, min: 0, max: 65536, doc: 'Newest kept tokens that stay in 16 bit.' }),
  residual: oneOf(['unified', 'kivi'], {
    default: 'unified',
    doc: 'How later tokens leave 16 bit: K and V together by groups, or keys by blocks of `recent` and values one by one.',
  }),
  solver: oneOf(solverNames, { default: 'min-max', doc: 'How scale and minimum are found.' }),
} as const
