import { expect, test } from 'vitest'
import { describeValue, errorCodes, expected, KvError, nearestName } from '../src/index.ts'

test('an error has a stable code, a hint and is known across duplicate installs', () => {
  const error = new KvError('KV_CONFLICT', 'a', { hint: 'b', cause: 1 })
  expect(error).toMatchObject({ name: 'KvError', code: 'KV_CONFLICT', message: 'a', hint: 'b', cause: 1 })
  expect(KvError.isInstance(error)).toBe(true)
  expect(KvError.isInstance(new Error('x'))).toBe(false)
  // As another copy of this package would make it.
  const foreign = Object.assign(new Error('x'), { code: 'KV_CONFLICT' })
  Object.defineProperty(foreign, Symbol.for('qpkv.error'), { value: true })
  expect(KvError.isInstance(foreign)).toBe(true)
})

test('codes are sorted and documented in one line', () => {
  const codes = Object.keys(errorCodes)
  expect(codes).toEqual([...codes].sort())
  for (const doc of Object.values(errorCodes)) expect(doc).toMatch(/^[^\n]{10,140}\.$/)
})

test('messages say what was expected, where, and what came', () => {
  expect(expected('an odd number', 'prune.kernel', 4).message).toBe(
    'Expected an odd number for prune.kernel but received 4 (number).',
  )
  expect(describeValue('4')).toBe('"4" (text)')
  expect(describeValue(undefined)).toBe('nothing')
  expect(describeValue('x'.repeat(500)).length).toBeLessThan(100)
})

test('the nearest name is suggested, a far one is not', () => {
  expect(nearestName('snapvk', ['snapkv', 'h2o'])).toBe('snapkv')
  expect(nearestName('SnapKV', ['snapkv', 'h2o'])).toBe('snapkv')
  expect(nearestName('banana', ['snapkv', 'h2o'])).toBeUndefined()
})
