import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { modelFingerprint } from '@qpkv/core'
import { modelFolder } from '@qpkv/reference-model'
import { parseSpec } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-recipe-'))
const path = join(folder, 'recipe.json')
const aware = join(folder, 'aware.json')
beforeAll(async () => {
  const recipe = {
    recipeVersion: 1,
    spec: parseSpec('keydiff:last=8+kivi:bits=4@64t'),
    model: { name: 'reference', fingerprint: await modelFingerprint(modelFolder) },
    tokens: { from: 200, to: 600 },
    protocols: ['query-agnostic'],
  }
  writeFileSync(path, JSON.stringify(recipe))
  writeFileSync(aware, JSON.stringify({ ...recipe, protocols: ['query-aware'] }))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

const bench = (recipe: string, ...flags: string[]) =>
  run([
    'bench',
    'needle',
    '--samples',
    '1',
    '--recipe',
    recipe,
    '--out',
    join(folder, `${flags.join('')}.jsonl`),
    ...flags,
  ])

describe('--recipe', () => {
  it('gives its spec to a benchmark of its protocol and lengths', async () => {
    const { code, stdout } = await bench(path, '--agnostic', '--length', '400', '--keys', '4')
    expect(code).toBe(0)
    expect(stdout).toMatch(/keydiff|joint|64t/)
  })

  it('refuses other protocols and lengths, and a second spec', async () => {
    const protocol = await bench(path, '--length', '400', '--keys', '4')
    expect([protocol.code, protocol.stderr]).toEqual([1, expect.stringMatching(/not for prompts that end/)])
    const length = await bench(path, '--agnostic', '--length', '1200', '--keys', '4')
    expect(length.code).toBe(1)
    expect(length.stderr + length.stdout).toMatch(/200 to 600 tokens/)
    const two = await run(['generate', '--prompt', 'x', '--recipe', path, '--budget', '64t'])
    expect([two.code, two.stderr]).toEqual([2, expect.stringMatching(/--recipe FILE, --spec/)])
    const none = await run(['generate', '--prompt', 'x', '--recipe', join(folder, 'nosuch.json')])
    expect([none.code, none.stderr]).toEqual([2, expect.stringMatching(/no file .*nosuch.json/)])
  })

  it('is looked at by generate, memory and chat', async () => {
    const short = await run(['generate', '--prompt', 'Hello', '--recipe', path])
    expect([short.code, short.stderr]).toEqual([1, expect.stringMatching(/200 to 600 tokens, and this one/)])
    const memory = await run(['memory', '--tokens', '400', '--recipe', path])
    expect([memory.code, memory.stdout]).toEqual([0, expect.stringMatching(/under keydiff/)])
    const chat = await run(['chat', '--recipe', aware], '/exit\n')
    expect([chat.code, chat.stderr]).toEqual([1, expect.stringMatching(/not for texts that are asked later/)])
  })
})

describe('--canary', () => {
  const text = join(folder, 'text.txt')
  const ask = (...flags: string[]) =>
    run([
      'generate',
      '--prompt-file',
      text,
      '--max-tokens',
      '2',
      '--report',
      '--spec',
      'streamingllm+none@5%',
      ...flags,
    ])
  beforeAll(() => {
    writeFileSync(text, ' The red boat crosses the hill. A small owl sings near the quiet lake.'.repeat(40))
  })

  it('warns with the numbers and its cost, or refuses', async () => {
    const warned = await ask('--canary')
    expect(warned.code).toBe(0)
    expect(warned.stderr).toMatch(/note: The canary (failed: of 8 hidden numbers|says nothing)/)
    expect(warned.stderr).toMatch(
      /^canary +(failed|unknown): the full cache finds \d of 8 .* ms, \d+ tokens$/m,
    )
    const refused = await ask('--canary', 'refuse')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/canary failed.*KV_CANARY/)])
    expect((await ask('--canary', 'often')).code).toBe(2)
  })
})
