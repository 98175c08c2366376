import { KvError } from '../errors.ts'
import { isPlainObject } from '../json.ts'
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
  if (!['float-minimum', 'integer', 'in-scale', 'none'].includes(format.zero))
    throw fail('zero', format.zero, "'float-minimum', 'integer', 'in-scale' or 'none'")
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
  checkOutlierRule(format, fail, path)
  if (format.levels !== 'uniform') checkCodebook(format, fail, path)
  checkSolver(format, fail, path)
  checkZero(format, fail)
  checkBalance(format, fail, path)
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
  'balance',
]

type Fail = (field: string, value: unknown, what: string, code?: 'KV_METHOD' | 'KV_UNSUPPORTED') => KvError

function checkOutlierRule({ outlierRule: rule, outliers }: PackedFormat, fail: Fail, path: string): void {
  if (rule === undefined) return
  if (!isPlainObject(rule))
    throw fail('outlierRule', rule, 'an object such as { kind: "beyond", threshold: 6 }')
  refuseUnknown(rule, ['kind', 'threshold'], `${path}.outlierRule`, 'KV_METHOD', 'field')
  if (rule.kind !== 'beyond') throw fail('outlierRule.kind', rule.kind, "'beyond'", 'KV_UNSUPPORTED')
  if (!(Number.isFinite(rule.threshold) && rule.threshold >= 0))
    throw fail('outlierRule.threshold', rule.threshold, 'a number of at least 0')
  if (outliers === 0) throw fail('outlierRule', rule, 'no rule where `outliers` is 0')
}

function checkCodebook(format: PackedFormat, fail: Fail, path: string): void {
  if (isPlainObject(format.levels))
    refuseUnknown(format.levels, ['codebook'], `${path}.levels`, 'KV_METHOD', 'field')
  const book: unknown = isPlainObject(format.levels) ? format.levels.codebook : undefined
  if (!Array.isArray(book) || !book.every((level) => typeof level === 'number'))
    throw fail('levels', format.levels, "'uniform' or { codebook: [ levels ] }")
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
  const zero = format.solver.kind === 'norm' ? 'none' : 'float-minimum'
  if (format.zero !== zero)
    throw fail('zero', format.zero, `'${zero}' beside a codebook and the solver '${format.solver.kind}'`)
}

const solverFields: Record<Solver['kind'], readonly string[]> = {
  'min-max': ['kind', 'least'],
  proximal: ['kind', 'steps', 'norm', 'beta', 'growth', 'limit', 'flat'],
  norm: ['kind', 'spread', 'keep'],
}

function checkSolver({ solver, zero, levels, outliers }: PackedFormat, fail: Fail, path: string): void {
  if (!isPlainObject(solver)) throw fail('solver', solver, 'an object such as { kind: "min-max" }')
  if (!Object.hasOwn(solverFields, solver.kind))
    throw fail('solver.kind', solver.kind, "'min-max', 'proximal' or 'norm'", 'KV_UNSUPPORTED')
  refuseUnknown(solver, solverFields[solver.kind], `${path}.solver`, 'KV_METHOD', 'field')
  if (solver.kind === 'min-max') {
    const { least = 0 } = solver
    if (!(Number.isFinite(least) && least >= 0 && (least === 0 || levels === 'uniform')))
      throw fail('solver.least', least, 'a number of at least 0, and 0 beside a codebook')
    return
  }
  if (solver.kind === 'norm') {
    if (!(Number.isFinite(solver.spread) && solver.spread > 0))
      throw fail('solver.spread', solver.spread, 'a number above 0')
    if (typeof solver.keep !== 'boolean') throw fail('solver.keep', solver.keep, 'true or false')
    if (levels === 'uniform') throw fail('levels', levels, "a codebook beside the solver 'norm'")
    if (outliers > 0) throw fail('outliers', outliers, "0 beside the solver 'norm'", 'KV_UNSUPPORTED')
    return
  }
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

function checkZero({ zero, bits, metadata, levels, solver }: PackedFormat, fail: Fail): void {
  if (zero === 'none' && solver.kind !== 'norm')
    throw fail('zero', zero, "another one: only the solver 'norm' needs none")
  if (zero !== 'in-scale') return
  if (bits === 8) throw fail('bits', bits, "4, 3, 2 or 1 where zero is 'in-scale'")
  if (metadata !== 'f32') throw fail('metadata', metadata, "'f32' where zero is 'in-scale'")
  if (levels !== 'uniform') throw fail('levels', levels, "'uniform' where zero is 'in-scale'")
}

function checkBalance(
  { balance, zero, levels, solver, outliers }: PackedFormat,
  fail: Fail,
  path: string,
): void {
  if (balance === undefined) return
  if (!isPlainObject(balance)) throw fail('balance', balance, 'an object such as { steps: 16 }')
  refuseUnknown(balance, ['steps'], `${path}.balance`, 'KV_METHOD', 'field')
  if (!(Number.isSafeInteger(balance.steps) && balance.steps >= 1 && balance.steps <= 1024))
    throw fail('balance.steps', balance.steps, 'a whole number from 1 to 1024')
  if (zero !== 'float-minimum' || levels !== 'uniform' || solver.kind !== 'min-max' || outliers > 0)
    throw fail(
      'balance',
      balance,
      'none: it goes with uniform codes, float minima, the solver min-max and no outliers only',
      'KV_UNSUPPORTED',
    )
}
