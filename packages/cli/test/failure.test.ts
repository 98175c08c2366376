import { KvError } from '@qpkv/spec'
import { describe, expect, it } from 'vitest'
import { reportFailure } from '../src/output/failure.ts'
import { UsageError } from '../src/usage-error.ts'

function report(error: unknown, env: NodeJS.ProcessEnv = {}) {
  let text = ''
  const code = reportFailure(error, { write: (out) => (text += out) }, env)
  return { text, code }
}

describe('failures', () => {
  it('are one line with the code, and a hint', () => {
    expect(report(new KvError('KV_MEMORY', 'Too\nlittle.', { hint: 'Buy more.' }))).toEqual({
      text: 'error: Too little. [KV_MEMORY]\nhint: Buy more.\n',
      code: 1,
    })
    expect(report(new UsageError('No such flag.', 'Type another.')).text).toBe(
      'error: No such flag. [KV_INVALID_OPTION]\nhint: Type another.\n',
    )
    expect(report('text')).toEqual({ text: 'error: text\n', code: 1 })
  })

  it('name flags where the library names options', () => {
    const hint = 'Shorten it, or allow it with { allowLongPrompt: true }.'
    expect(report(new KvError('KV_PROMPT_TOO_LONG', 'x', { hint })).text).toMatch(
      /allow it with --allow-long-prompt\.$/m,
    )
  })

  it('tell wrong command lines and cancelled work apart', () => {
    expect(report(new KvError('KV_UNKNOWN_METHOD', 'x')).code).toBe(2)
    expect(report(new UsageError('x')).code).toBe(2)
    expect(report(new KvError('KV_ABORTED', 'x')).code).toBe(130)
  })

  it('of the system say where to look', () => {
    const refused = (code: string) => Object.assign(new Error(`${code}: no`), { code, path: '/x' })
    expect(report(refused('ENOENT')).text).toBe('error: ENOENT: no\nhint: Check the path /x.\n')
    expect(report(refused('EACCES')).text).toMatch(/hint: Check the rights on \/x\./)
    expect(report(refused('ENOSPC')).text).toMatch(/hint: The disk is full/)
    expect(report('ENOENT').text).toBe('error: ENOENT\n')
  })

  it('show the stack only when asked', () => {
    expect(report(new Error('x')).text).not.toMatch(/failure.test/)
    expect(report(new Error('x'), { QPKV_DEBUG: '1' }).text).toMatch(/failure.test/)
  })
})
