import { KvError } from '../errors.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import type { PackedFormat, Solver, TensorFormat } from './tensor-format.ts'

/** Throws KV_UNSUPPORTED or KV_METHOD, naming the field, for a format that no kernel can store. */
export function checkFormat(format: TensorFormat, headDim: number, path: string): TensorFormat {
  const fail = (
    field: string,
    value: unknown,
    what: string,
    code: 'KV_METHOD' | 'KV_UNSUPPORTED' = 'KV_METHOD',
  ) => new KvError(code, `${path}.${field} is ${JSON.stringify(value)}; expected ${what}.`)
  if (format.bits === 16) {
    refuseUnknown(format, ['bits', 'element'], path, 'KV_METHOD', 'field')
    if (!['bf16', 'f16', 'f32'].includes(format.element))
      throw fail('element', format.element, "'bf16', 'f16' or 'f32'")
    return format
  }
  refuseUnknown(format, packedFields, path, 'KV_METHOD', 'field')
  if (![8, 4, 3, 2, 1].includes(format.bits)) throw fail('bits', format.bits, '16, 8, 4, 3, 2 or 1')
  if (format.metadata !== 'f16' && format.metadata !== 'f32')
    throw fail('metadata', format.metadata, "'f16' or 'f32'")
  if (format.zero !== 'float-minimum' && format.zero !== 'integer')
    throw fail('zero', format.zero, "'float-minimum' or 'integer'")
  if (format.scalePer === 'channel') {
    if (![16, 32, 64, 128].includes(format.group))
      throw fail('group', format.group, '16, 32, 64 or 128 tokens')
  } else if (format.scalePer === 'token') {
    if (!(
      Number.isInteger(format.group) &&
      format.group > 0 &&
      (format.group === headDim || (format.group % 8 === 0 && format.group < headDim))
    ))
      throw fail(
        'group',
        format.group,
        `a multiple of 8 channels below the head dimension ${headDim}, or all ${headDim}`,
      )
  } else throw fail('scalePer', format.scalePer, "'channel' or 'token'")
  if (!(format.outliers >= 0 && format.outliers <= 0.25))
    throw fail('outliers', format.outliers, 'a share from 0 to 0.25')
  checkOutlierRule(format, fail)
  if (format.levels !== 'uniform') checkCodebook(format, fail)
  checkSolver(format, fail)
  return format
}

const packedFields: readonly (keyof PackedFormat)[] = [
  'bits',
  'scalePer',
  'group',
  'metadata',
  'zero',
  'levels',
  'solver',
  'outliers',
  'outlierRule',
]

type Fail = (field: string, value: unknown, what: string, code?: 'KV_METHOD' | 'KV_UNSUPPORTED') => KvError

function checkOutlierRule({ outlierRule: rule, outliers }: PackedFormat, fail: Fail): void {
  if (rule === undefined) return
  if (rule.kind !== 'beyond') throw fail('outlierRule.kind', rule.kind, "'beyond'", 'KV_UNSUPPORTED')
  if (!(Number.isFinite(rule.threshold) && rule.threshold >= 0))
    throw fail('outlierRule.threshold', rule.threshold, 'a number of at least 0')
  if (outliers === 0) throw fail('outlierRule', rule, 'no rule where `outliers` is 0')
}

function checkCodebook(format: PackedFormat, fail: Fail): void {
  const book = format.levels === 'uniform' ? [] : format.levels.codebook
  const ascending = book.every((level, i) => Number.isFinite(level) && (i === 0 || level >= book[i - 1]!))
  if (book.length !== 2 ** format.bits || !ascending)
    throw fail(
      'levels.codebook',
      `${book.length} levels`,
      `${2 ** format.bits} finite levels in ascending order`,
    )
  // Groups are scaled to [-1, 1], so that a level beyond is never the nearest, and the kernels' words end there.
  const beyond = book.find((level) => Math.abs(level) > 1)
  if (beyond !== undefined)
    throw fail('levels.codebook', beyond, 'levels from -1 to 1; divide them by the largest')
  if (format.zero !== 'float-minimum') throw fail('zero', format.zero, "'float-minimum' beside a codebook")
}

const solverFields: Record<Solver['kind'], readonly string[]> = {
  'min-max': ['kind'],
  proximal: ['kind', 'steps', 'norm', 'beta', 'growth', 'limit', 'flat'],
}

function checkSolver({ solver, zero, levels }: PackedFormat, fail: Fail): void {
  if (!Object.hasOwn(solverFields, solver.kind))
    throw fail('solver.kind', solver.kind, "'min-max' or 'proximal'", 'KV_UNSUPPORTED')
  refuseUnknown(solver, solverFields[solver.kind], 'solver', 'KV_METHOD', 'field')
  if (solver.kind === 'min-max') return
  if (zero !== 'float-minimum' || levels !== 'uniform')
    throw fail(
      'solver',
      solver,
      'min-max: the proximal one refines float minima of uniform codes only',
      'KV_UNSUPPORTED',
    )
  const { steps, norm, beta, growth, limit, flat } = solver
  for (const [field, value, fits] of [
    ['steps', steps, Number.isSafeInteger(steps) && steps >= 1],
    ['norm', norm, norm > 0 && norm <= 1],
    ['beta', beta, beta > 0],
    ['growth', growth, growth >= 1],
    ['limit', limit, limit === undefined || limit > 0],
    ['flat', flat, flat >= 0],
  ] as const)
    if (!fits) throw fail(`solver.${field}`, value, 'a number that the solver can use')
}
