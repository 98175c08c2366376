import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import { h2o } from '@qpkv/pruner-h2o'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder } from '@qpkv/reference-model'
import { KvError } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadAddon, loadModel, type Model } from '../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-saved-'))
let model: Model
let good: Buffer
const quiet = { onWarning: () => undefined }
const file = (name: string) => join(folder, name)
const ids = (count: number) => Array.from({ length: count }, (_, i) => 20 + ((i * 7919) % 3600))
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 1 })
  await using context = await model.prefill(ids(120), {
    compression: {
      prune: h2o({ decode: 'evict' }),
      quantize: kivi({ bits: 4, group: 32, recent: 16 }),
      budget: { tokens: 60 },
    },
    ...quiet,
  })
  await context.generate({ maxTokens: 20, stopTokens: [], temperature: 0 }).result
  await context.save(file('good'))
  good = readFileSync(file('good'))
})
afterAll(async () => {
  await model.dispose()
  rmSync(folder, { recursive: true })
})

/** What comes next, to the bit, or the error's code; anything else than a KvError that says what to do is thrown. */
async function outcome(bytes: Uint8Array): Promise<string> {
  writeFileSync(file('bad'), bytes)
  try {
    await using context = await model.open(file('bad'), quiet)
    const { tokens } = await context.generate({ maxTokens: 12, stopTokens: [], temperature: 0 }).result
    const logits = await context.logits()
    return `${tokens.join(' ')}, ${crc32(new Uint8Array(logits.buffer))}`
  } catch (cause) {
    if (!KvError.isInstance(cause)) throw cause
    if (cause.code === 'KV_DATA') expect(cause.message + String(cause.hint)).toMatch(/bad: .*(again|Load)/s)
    return cause.code
  }
}

/** Seeded whole numbers below a limit. */
function numbers(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

/** The header of a file, and the file with another one under a sum that fits. */
const headerOf = (bytes: Buffer) =>
  JSON.parse(bytes.toString('utf8', 16, 16 + bytes.readUInt32LE(8))) as unknown
function withHeader(bytes: Buffer, header: unknown): Buffer {
  const copy = Buffer.from(bytes)
  const room = copy.subarray(16, 16 + copy.readUInt32LE(8))
  const text = JSON.stringify(header)
  if (Buffer.byteLength(text) > room.length) throw new Error('too long')
  room.fill(' ')
  room.write(text)
  copy.writeUInt32LE(crc32(room), 12)
  return copy
}

describe('a damaged file', () => {
  it('is refused wherever a byte of it has changed, but for padding', async () => {
    const next = numbers(1)
    const clean = await outcome(good)
    expect(clean).toMatch(/^\d+( \d+){11}, /)
    const seen = new Map<string, number>()
    for (let i = 0; i < 600; i++) {
      const bad = Buffer.from(good)
      const at = i % 3 === 0 ? next(4000) : next(bad.length)
      bad[at] = bad[at]! ^ (1 + next(255))
      const result = await outcome(bad)
      seen.set(result, (seen.get(result) ?? 0) + 1)
    }
    // Bytes that mean nothing, between parts, may be anything; every other change is named.
    expect([...seen.keys()].filter((result) => result !== clean)).toEqual(['KV_DATA'])
    expect(seen.get(clean) ?? 0).toBeLessThan(20)
  })

  it('is refused wherever it is cut, and with something behind it', async () => {
    const next = numbers(2)
    const cuts = [
      0,
      1,
      7,
      8,
      15,
      16,
      17,
      good.length - 1,
      ...Array.from({ length: 60 }, () => next(good.length)),
    ]
    for (const size of cuts) expect(await outcome(good.subarray(0, size)), `cut to ${size}`).toBe('KV_DATA')
    expect(await outcome(Buffer.concat([good, Buffer.alloc(64)]))).toBe('KV_DATA')
  })

  // With a sum that fits, the checks behind it stand alone.
  it('with a forged header is refused, or gives the same tokens', async () => {
    const clean = await outcome(good)
    const next = numbers(3)
    const values = [
      null,
      -1,
      0,
      1,
      2,
      3.5,
      1e9,
      2 ** 53,
      'x',
      '',
      [],
      {},
      true,
      'query',
      'fifo',
      [1],
      'rest',
      16,
    ]
    const codes = new Set<string>()
    for (let i = 0; i < 500; i++) {
      const header = headerOf(good)
      const path = change(header, next, values)
      let bad
      try {
        bad = withHeader(good, header)
      } catch {
        continue
      }
      const result = await outcome(bad)
      codes.add(result.startsWith('KV_') ? result : 'tokens')
      // Facts for reports mean nothing to the tokens; so do the ways in which prefill chose what is stored.
      if (
        !result.startsWith('KV_') &&
        !/\b(kept|stages|perHead|promptTokens|protect|capacity|every|pending|ids|by|order|segments|residual|userEnd|random)\b/.test(
          path,
        )
      )
        expect(result, path).toBe(clean)
    }
    expect(codes).toContain('KV_DATA')
    expect(codes).toContain('tokens')
  })

  it('of another model is refused as such', async () => {
    const header = headerOf(good) as { model: { identity: string } }
    header.model.identity = '0'.repeat(32)
    writeFileSync(file('other'), withHeader(good, header))
    await expect(model.open(file('other'))).rejects.toThrow(/other: .*another model/)
  })
})

/** Changes one value somewhere in a tree of JSON; says where. */
function change(
  tree: unknown,
  next: (limit: number) => number,
  values: readonly unknown[],
  path = '',
): string {
  const at = tree as Record<string, unknown>
  const keys = Object.keys(at)
  const key = keys[next(keys.length)]
  if (key === undefined) return path
  const value = at[key]
  if (typeof value === 'object' && value !== null && Object.keys(value).length > 0 && next(5) > 0)
    return change(value, next, values, `${path} ${key}`)
  if (next(6) === 0) delete at[key]
  else if (typeof value === 'number' && next(2) === 0) at[key] = value + next(5) - 2
  else at[key] = values[next(values.length)]
  return `${path} ${key}`
}

describe('kill -9 while a context is saved', () => {
  it('leaves the old file or the new one', { timeout: 120_000 }, async () => {
    const next = numbers(4)
    const script = fileURLToPath(new URL('support/save-forever.ts', import.meta.url))
    const lengths = new Set<number>()
    for (let round = 0; round < 8; round++) {
      const child = spawn(
        process.execPath,
        ['--conditions=@qpkv/source', '--import', 'tsx', script, modelFolder, file('again and again')],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      const ended = once(child, 'exit')
      await once(child.stdout, 'data')
      await setTimeout(next(60))
      child.kill('SIGKILL')
      await ended
      await using context = await model.open(file('again and again'))
      lengths.add(context.tokens)
      expect([3, 600]).toContain(context.tokens)
    }
    expect(lengths.size).toBeGreaterThan(0)
    // What a killed process left beside it goes with a later save.
    const drafts = () => readdirSync(folder).filter((name) => name.endsWith('.draft'))
    for (const name of drafts()) utimesSync(file(name), new Date(0), new Date(0))
    writeFileSync(file('.again and again.0123456789ab.draft'), '')
    await using context = await model.prefill([21, 22])
    await context.save(file('again and again'))
    expect(drafts()).toEqual(['.again and again.0123456789ab.draft']) // young: somebody may be at it
  })
})

describe('the committed file, written by an AVX-512 table', () => {
  const place = fileURLToPath(new URL('goldens/saved/', import.meta.url))
  const written = join(place, 'keydiff-kivi-4bit.context')
  const { tokens } = JSON.parse(readFileSync(join(place, 'tokens.json'), 'utf8')) as {
    tokens: Record<string, number[]>
  }

  it.each(
    loadAddon()
      .addon.opTables()
      .filter((name) => name !== 'reference'),
  )('opens on %s, gives the tokens of that table and is written as the same bytes', async (table) => {
    await using other = await loadModel(modelFolder, { table, threads: 2 })
    await using context = await other.open(written)
    await context.save(file(table))
    const again = readFileSync(file(table))
    const start = readFileSync(written).length - sections(readFileSync(written))
    expect(again.subarray(again.length - sections(again)).equals(readFileSync(written).subarray(start))).toBe(
      true,
    )
    const said = await context.generate({ maxTokens: 24, stopTokens: [], temperature: 0 }).result
    if (tokens[table]) expect(said.tokens).toEqual(tokens[table])
    else expect(said.tokens).toHaveLength(24)
  })
})

/** Bytes behind the header, which names the table. */
const sections = (bytes: Buffer) =>
  bytes.length - (headerOf(bytes) as { logits: { offset: number } }).logits.offset
