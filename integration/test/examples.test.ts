import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const folder = fileURLToPath(new URL('../../examples/', import.meta.url))
const examples = readdirSync(folder).filter((name) => name.endsWith('.mjs'))

/** What an example must have printed; every example has a line here. */
const prints: Record<string, RegExp> = {
  'chat-page.mjs': /open http:.*\nqpkv chat/,
  'http-stream.mjs': /listening on http:\/\/127\.0\.0\.1:\d+[\s\S]*1234567\./,
  'many-questions.mjs': /is (\d{7})\.\s+\(expected \1\)[\s\S]*cache: \d+ KiB/,
  'own-pruner.mjs': /kept 120 of 301 tokens per head/,
  'plan.mjs': /recommended for 600 tokens: keydiff[\s\S]*canary (passed|failed|unknown): \d of \d hidden/,
  'streaming-chat.mjs': /calm-moon[\s\S]*48213/,
  'sweep.mjs': /none\+none .* 10 of 10 right/,
  'tomorrow-again.mjs':
    /saved \d+ tokens in \d+ KiB[\s\S]*is (\d{7})\.\s+\(expected \1\)[\s\S]*prompt tokens read: 0/,
}

test('every example is run', () => expect(examples).toEqual(Object.keys(prints).sort()))

test.each(examples)('%s runs on the reference model', (name) => {
  const result = spawnSync(process.execPath, ['--conditions=@qpkv/source', '--import', 'tsx', name], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect(result.stderr).not.toMatch(/Error/)
  expect(result.status).toBe(0)
  expect(result.stdout).toMatch(prints[name] ?? /never/)
})

test('the chat page asks this server only, and for files that it is given', async () => {
  const page = join(folder, 'chat-page')
  const html = await readFile(join(page, 'index.html'), 'utf8')
  const named = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name]) => name)
  expect(named.filter((name) => name !== 'data:,')).toEqual(['chat.css', 'chat.js'])
  for (const name of readdirSync(page))
    expect(await readFile(join(page, name), 'utf8')).not.toMatch(/https?:\/\//)
})
