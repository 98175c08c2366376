import { expected } from '../errors.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import type { KeyStorage, Residual, Transform, ValueStorage } from './layer-plan.ts'

function checkTransform(
  { transform = 'none', signs }: Partial<ValueStorage>,
  known: readonly Transform[],
  headDim: number,
  path: string,
): ValueStorage {
  if (!known.includes(transform))
    throw expected(`one of ${known.join(', ')}`, `${path}.transform`, transform, 'KV_UNSUPPORTED')
  if (signs === undefined) return { transform }
  if (!transform.endsWith('hadamard'))
    throw expected('none beside a transform that does not rotate', `${path}.signs`, signs, 'KV_METHOD')
  if (!Array.isArray(signs) || signs.length !== headDim || !signs.every((sign) => sign === 1 || sign === -1))
    throw expected(`${headDim} numbers (the head dimension) of 1 or -1`, `${path}.signs`, signs, 'KV_METHOD')
  return { transform, signs }
}

/** Throws KV_METHOD or KV_UNSUPPORTED, naming the field, like the two below. */
export function checkKeys(given: Partial<KeyStorage>, headDim: number, path: string): KeyStorage {
  refuseUnknown(given, ['rope', 'transform', 'signs'], path, 'KV_METHOD', 'field')
  const { rope = 'after' } = given
  if (rope !== 'after' && rope !== 'before')
    throw expected("'after' or 'before'", `${path}.rope`, rope, 'KV_METHOD')
  const known = ['none', 'hadamard', 'center', 'center-hadamard'] as const
  return { rope, ...checkTransform(given, known, headDim, path) }
}

export function checkValues(given: Partial<ValueStorage>, headDim: number, path: string): ValueStorage {
  refuseUnknown(given, ['transform', 'signs'], path, 'KV_METHOD', 'field')
  return checkTransform(given, ['none', 'hadamard'], headDim, path)
}

const residuals = ['group group', 'block token', 'never never']

export function checkResidual(residual: Residual, path: string): Residual {
  refuseUnknown(residual, ['keys', 'values'], path, 'KV_METHOD', 'field')
  if (!residuals.includes(`${residual.keys} ${residual.values}`))
    throw expected(
      'keys and values by groups, by block and token, or never',
      path,
      residual,
      'KV_UNSUPPORTED',
    )
  return residual
}
