import { describe, expect, it } from 'vitest'
import { run } from './run.ts'

const chat = (lines: readonly string[], ...flags: string[]) =>
  run(['chat', '--max-tokens', '3', '--temperature', '0', ...flags], `${lines.join('\n')}\n`)
/** Replies: what is on stdout, line by line. */
const replies = (stdout: string) => stdout.split('\n').length - 1

describe('qpkv chat', () => {
  it('takes messages that begin with a slash, and commands that are whole lines', async () => {
    const { stdout, stderr, code } = await chat(['/etc/hosts what is in it?', '/etc', '//help', '/help me'])
    expect(code).toBe(0)
    expect(replies(stdout)).toBe(4)
    expect(stderr).not.toMatch(/Did you mean/)
    const commands = await chat(['/help', '/reprot', '/report', '/reset'])
    expect(commands.stdout).toBe('Nothing has been said yet.\n')
    expect(commands.stderr).toMatch(/Did you mean \/report\?/)
  })

  it('goes on after a message that cannot be taken', async () => {
    const long = 'word '.repeat(9000)
    const { stdout, stderr, code } = await chat(['Hello', long, 'Still here?', '/reset', long, 'And now?'])
    expect(code).toBe(0)
    expect(replies(stdout)).toBe(3)
    expect(stderr.match(/\[KV_PROMPT_TOO_LONG\]/g)).toHaveLength(2)
    expect(stderr).toMatch(/hint: .*allow it with --allow-long-prompt\./)
  })

  it('keeps a first message whole that is too short to be pruned', async () => {
    const { stdout, stderr, code } = await chat(
      ['Hello there my friend', 'Again', '/report'],
      '--prune',
      'snapkv',
      '--quantize',
      'int8',
      '--budget',
      '8t',
    )
    expect(code).toBe(0)
    expect(stderr).toMatch(/note: the message has \d+ tokens, too few to leave some out; it is kept whole/)
    expect(stdout).toMatch(/int8/)
  })

  it('keeps control tokens text where it is told to', async () => {
    const tokens = async (...flags: string[]) =>
      Number(/tokens +(\d+)/.exec((await chat(['a <|eot_id|> b', '/report'], ...flags)).stdout)?.[1])
    expect(await tokens('--control-tokens', 'text')).toBeGreaterThan(await tokens())
  })
})
