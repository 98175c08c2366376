import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ChildProcess } from 'node:child_process'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
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

/** What a server read and what it went on from. */
async function usageOf(response: Response) {
  const { usage, choices } = (await response.json()) as {
    readonly usage: {
      readonly prompt_tokens: number
      readonly prompt_tokens_details: { readonly cached_tokens: number }
    }
    readonly choices: readonly { readonly message: { readonly content: string } }[]
  }
  return {
    prompt: usage.prompt_tokens,
    cached: usage.prompt_tokens_details.cached_tokens,
    said: choices[0]?.message.content,
  }
}

const metric = async (url: string, name: string) => {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
}

describe('a folder of prefixes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-serve-'))
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })
  const files = () => readdirSync(folder).filter((name) => name.endsWith('.context'))
  const flags = ['--name', 'mine', '--threads', '1', '--prefix-cache', folder]
  const stop = async (child: ChildProcess) => {
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(0)
  }

  it('serves processes one after the other and at the same time', { timeout: 120_000 }, async () => {
    const first = await served(...flags, '--keep-prefixes', '64MiB')
    const read = await usageOf(await ask(first.url))
    expect(read.cached).toBe(0)
    await stop(first.child)
    expect(files().length).toBeGreaterThan(0)
    // The next one goes on from the files, and so do two beside one another.
    const later = await served(...flags, '--keep-prefixes', '64MiB')
    expect(await usageOf(await ask(later.url))).toEqual({ ...read, cached: read.prompt })
    expect(await metric(later.url, 'qpkv_prefix_opened')).toBe(1)
    const beside = await served(...flags)
    const both = await Promise.all(
      [later, beside, later, beside].map(async ({ url }) => usageOf(await ask(url))),
    )
    for (const one of both) expect(one).toEqual({ ...read, cached: read.prompt })
    // A prompt that neither knows, of both at once: whoever is first, the file is whole.
    const fresh = {
      messages: [{ role: 'user', content: 'The password of Bo is dry-sand. What is the password of Bo?' }],
    }
    const [one, two] = await Promise.all(
      [later, beside].map(async ({ url }) => usageOf(await ask(url, fresh))),
    )
    expect(two?.said).toBe(one?.said)
    await Promise.all([stop(later.child), stop(beside.child)])
    const last = await served(...flags)
    expect(await usageOf(await ask(last.url, fresh))).toMatchObject({ said: one?.said, cached: one?.prompt })
    await stop(last.child)
    expect(last.texts.stderr).not.toMatch(/error/i)
  })

  it('is held to its bytes, and other specs share nothing', { timeout: 60_000 }, async () => {
    const other = await served(...flags, '--compress', 'none+kivi:bits=4', '--prefix-cache-bytes', '1KiB')
    expect((await usageOf(await ask(other.url))).cached).toBe(0)
    await stop(other.child)
    expect(files()).toEqual([])
  })
})

describe('little memory', () => {
  it('is made room in by --when-full', { timeout: 120_000 }, async () => {
    const { url, child } = await served(
      ...'--name mine --threads 1 --memory 24MiB --keep-prefixes 1GiB'.split(' '),
      '--when-full',
      'keydiff:last=16+kivi:bits=4,recent=16@25%',
    )
    for (const word of ['ant', 'bee', 'cow', 'dog', 'elk', 'fox', 'gnu', 'hen'])
      expect((await ask(url, { messages: [{ role: 'user', content: `${word} `.repeat(400) }] })).status).toBe(
        200,
      )
    expect(await metric(url, 'qpkv_compressed_in_place')).toBeGreaterThan(0)
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(0)
  })
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
      [['--compress', 'snapkv@25%', '--spec', 'none'], 2, /It was given before, as "snapkv@25%"/],
      [['--keep-prefixes', 'much'], 2, /such as 512MiB/],
      [['--memory', 'much'], 2, /such as 512MiB/],
      [['--memory', '1MiB'], 1, /memory|MiB/i],
      [['--when-full', 'l2norm+kivi:bits=4@25'], 2, /unit|25/],
      [['--when-full', 'snapkv+none@25%'], 1, /needs the prompt's queries/],
      [['--port', String(port)], 2, /Could not listen on 127\.0\.0\.1:\d+.*\nhint: Choose another port/],
      [['--compress', 'snapkw@25%'], 2, /snapkv/],
    ] as const) {
      const { stderr, code: got } = await run(['serve', ...flags])
      expect(stderr).toMatch(wanted)
      expect([flags, got]).toEqual([flags, code])
    }
  })
})
