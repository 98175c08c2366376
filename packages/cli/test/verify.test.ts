import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-verify-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

// The float32 forward of an independent program; see packages/core/test/goldens/README.md.
const goldens = fileURLToPath(new URL('../../core/test/goldens/model/', import.meta.url))
const bytes = (name: string) => {
  const file = readFileSync(join(goldens, name))
  return file.buffer.slice(file.byteOffset, file.byteOffset + file.length)
}
const { prompts } = JSON.parse(readFileSync(join(goldens, 'manifest.json'), 'utf8')) as {
  prompts: { name: string; text: string; ids: number[] }[]
}
const VOCAB = 3712
const samples = prompts.map(({ name, text, ids }) => ({
  text,
  ids,
  argmax: [...new Int32Array(bytes(`${name}.argmax.i32`))],
  last: [...new Float32Array(bytes(`${name}.logits.f32`)).slice(-VOCAB)],
}))
const chat = {
  messages: [{ role: 'user', content: ' The boat. ' }],
  text: '<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nThe boat.<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
}
const sound = { format: 'qpkv-logits', version: 1, model: 'reference', samples, chat }

async function verify(dump: unknown, ...more: string[]) {
  const file = join(folder, 'logits.json')
  writeFileSync(file, typeof dump === 'string' ? dump : JSON.stringify(dump))
  return run(['verify', 'reference', '--against', file, '--needles', '0', '--threads', '2', ...more])
}

describe('qpkv verify', { timeout: 60_000 }, () => {
  it('finds the reference model as an independent program has it', async () => {
    const { code, stdout, stderr } = await run(['verify', 'reference', '--needles', '10', '--threads', '2'])
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^needles +ok +10 of 10 right$/m)
    expect(stdout).toMatch(/^logits +not checked/m)
    const against = await verify(sound)
    expect(against.stderr).toBe('')
    expect(against.stdout).toMatch(/^tokenization +ok +3 texts, ids equal$/m)
    expect(against.stdout).toMatch(/^chat template +ok +\d+ characters, equal$/m)
    expect(against.stdout).toMatch(
      /^logits +ok +largest difference \S+ \(bound 0.01, f32\), .* at 0 of \d+ positions$/m,
    )
    expect(against.stdout).toMatch(/^memory +ok /m)
    expect(against.stdout).toMatch(/^needles +not checked/m)
    expect(against.code).toBe(0)
  }, 60_000)

  it.each([
    [
      'logits',
      { samples: samples.map((at) => ({ ...at, last: at.last.map((x, i) => (i === 7 ? x + 0.1 : x)) })) },
    ],
    [
      'logits',
      {
        samples: samples.map((at) => ({ ...at, argmax: at.argmax.map((id, i) => (i === 3 ? id + 1 : id)) })),
      },
    ],
    ['tokenization', { samples: samples.map((at) => ({ ...at, text: `${at.text}!` })) }],
    ['chat template', { chat: { ...chat, text: `${chat.text} ` } }],
  ])('says that %s differs', async (name, change) => {
    const { code, stdout, stderr } = await verify({ ...sound, ...change })
    expect(stdout).toMatch(new RegExp(`^${name} +failed`, 'm'))
    expect(stderr).toMatch(new RegExp(`^error: reference differs: .*${name}`))
    expect(code).toBe(1)
  })

  it('writes what it found as JSON', async () => {
    const { stdout } = await verify(sound, '--json', '--precision', 'bf16')
    const found = JSON.parse(stdout) as { precision: string; checks: { outcome: string }[] }
    expect(found.precision).toBe('bf16')
    expect(found.checks.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok', 'ok', 'not checked'])
  })

  it.each([
    ['{', /cannot be read/],
    [{ format: 'other' }, /none of version 1/],
    [{ ...sound, samples: [] }, /no samples/],
    [{ ...sound, samples: [{ ...samples[0], ids: [-1] }] }, /samples\[0\].ids/],
    [{ ...sound, samples: [{ ...samples[0], argmax: [1] }] }, /samples\[0\].argmax/],
    [{ ...sound, samples: [{ ...samples[0], last: ['x'] }] }, /samples\[0\].last/],
    [{ ...sound, chat: {} }, /chat is no/],
  ])('refuses a dump that is broken and says how to make one', async (dump, pattern) => {
    const { code, stderr } = await verify(dump)
    expect(stderr).toMatch(pattern)
    expect(stderr).toMatch(/dump-logits.py/)
    expect(code).toBe(1)
  })
})
