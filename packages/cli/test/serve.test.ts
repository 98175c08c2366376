import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import type { ChildProcess } from 'node:child_process'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startCommand } from './result-lines.ts'
import { run } from './run.ts'

/** `qpkv serve` as a process of its own, once it has said where it listens. */
async function served(...flags: string[]) {
  const child = startCommand(['serve', '--port', '0', ...flags], 'pipe')
  onTestFinished(() => void child.kill('SIGKILL'))
  const texts = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk) => (texts.stdout += String(chunk)))
  child.stderr?.on('data', (chunk) => (texts.stderr += String(chunk)))
  while (!texts.stdout.includes('\n') && child.exitCode === null)
    await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')])
  const url = /^(http:\S+)\/v1 serves/.exec(texts.stdout)?.[1]
  expect(url, texts.stderr).toBeDefined()
  return { child, texts, url: url! }
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null) await once(child, 'exit')
  return child.exitCode
}

const ask = (url: string, more: object = {}, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify({
      model: 'mine',
      messages: [
        {
          role: 'user',
          content: 'The password of Ada of Selby is calm-moon. What is the password of Ada of Selby?',
        },
      ],
      temperature: 0,
      max_tokens: 12,
      ...more,
    }),
  })

describe('qpkv serve', () => {
  it('serves with the spec and limits of its flags, and a signal waits for the reply at work', async () => {
    const { child, texts, url } = await served(
      '--compress',
      'none+kivi:bits=4',
      '--name',
      'mine',
      '--api-key',
      'secret',
      '--keep-prefixes',
      '8MiB',
      '--max-tokens',
      '40',
      '--max-prompt-tokens',
      '100',
    )
    expect(texts.stdout).toMatch(/serves mine, none\+kivi:bits=4/)
    expect((await ask(url)).status).toBe(401)
    const key = { Authorization: 'Bearer secret' }
    const reply = (await (await ask(url, {}, key)).json()) as { choices: { message: { content: string } }[] }
    expect(reply.choices[0]?.message.content).toContain('calm-moon')
    const again = (await (await ask(url, {}, key)).json()) as {
      usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } }
    }
    expect(again.usage.prompt_tokens_details.cached_tokens).toBe(again.usage.prompt_tokens)
    expect((await ask(url, { messages: [{ role: 'user', content: 'word '.repeat(200) }] }, key)).status).toBe(
      400,
    )
    // Forty tokens at most, whatever is asked for.
    const long = await ask(url, { stream: true, max_tokens: 4000, logit_bias: { 77: 100 } }, key)
    child.kill('SIGTERM')
    const events = (await long.text()).trim().split('\n\n')
    expect(events.at(-1)).toBe('data: [DONE]')
    expect(events.at(-2)).toMatch(/"finish_reason":"length"/)
    expect(await exitOf(child)).toBe(0)
    expect(texts.stderr).toMatch(/requests at work are waited for/)
    await expect(ask(url, {}, key)).rejects.toThrow()
  }, 60_000)

  it('says what is wrong with a command line, and what to type next', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    onTestFinished(() => void taken.close())
    const { port } = taken.address() as AddressInfo
    for (const [flags, code, wanted] of [
      [['--host', '0.0.0.0'], 2, /no API key is set.*\nhint: Add --api-key KEY/],
      [['--compress', 'snapkv@25%', '--spec', 'none'], 2, /both came/],
      [['--keep-prefixes', 'much'], 2, /such as 512MiB/],
      [['--port', String(port)], 2, /Could not listen on 127\.0\.0\.1:\d+.*\nhint: Choose another port/],
      [['--compress', 'snapkw@25%'], 2, /snapkv/],
    ] as const) {
      const { stderr, code: got } = await run(['serve', ...flags])
      expect(stderr).toMatch(wanted)
      expect([flags, got]).toEqual([flags, code])
    }
  })
})
