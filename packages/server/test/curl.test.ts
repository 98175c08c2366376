import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { question, running } from './support.ts'

const there = spawnSync('curl', ['--version']).status === 0
const curl = async (...args: string[]) =>
  (await promisify(execFile)('curl', ['--silent', '--no-buffer', ...args])).stdout

it.skipIf(!there)('curl posts, streams and reads errors (skipped without curl)', async () => {
  const { url } = await running({ apiKey: 'secret' })
  const path = `${url}/v1/chat/completions`
  const body = { model: 'qpkv', messages: question, max_tokens: 12, temperature: 0 }
  const post = (more: object) => [
    '-H',
    'Authorization: Bearer secret',
    '-H',
    'Content-Type: application/json',
    '-d',
    JSON.stringify({
      ...body,
      ...more,
    }),
    path,
  ]
  expect(await curl(...post({}))).toContain('calm-moon')
  expect(await curl(...post({ stream: true }))).toMatch(/^data: \{[^]*\n\ndata: \[DONE\]\n\n$/)
  // curl's own type of a body is a form, which pages of other origins can send as well.
  const form = ['-H', 'Authorization: Bearer secret', '-d', JSON.stringify(body), path]
  expect(await curl(...form)).toContain('Content-Type: application/json')
  expect(await curl('-o', '/dev/null', '-w', '%{http_code}', path)).toBe('401')
  // Larger bodies are announced first by curl, with Expect: 100-continue.
  const content = 'word '.repeat(100_000)
  const large = [
    '-H',
    'Expect: 100-continue',
    '-w',
    '%{http_code}',
    ...post({ messages: [{ role: 'user', content }] }),
  ]
  const file = large.indexOf('-d') + 1
  const [given = ''] = large.splice(file, 1, '@-')
  const sent = await new Promise<string>((resolve, reject) => {
    const child = execFile('curl', ['--silent', ...large], (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    )
    child.stdin?.end(given)
  })
  expect(sent).toMatch(/context_length_exceeded[^]*400$/)
})
