import { modelFolder } from '@qpkv/reference-model'
import { createHash } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { clearPacked, listPacked, loadModel, packedSettings, type LoadModelOptions } from '../../src/index.ts'
import { makeRoom } from '../../src/packed/packed-files.ts'
import { temporaryFolder } from '../support/model-folder.ts'
import { throwsKv } from '../support/throws.ts'

const ids = Int32Array.from({ length: 70 }, (_, i) => (i * 31) % 500)

/** Loads the reference model; what it makes of a prompt, and where its weights lie. */
async function load(options: LoadModelOptions, folder = modelFolder) {
  await using model = await loadModel(folder, { threads: 2, ...options })
  const { logits } = await model.logits(ids)
  return { logits: digest(logits), weights: model.weights, bytes: model.weightBytes }
}

/** Of every bit. */
const digest = (values: Float32Array) =>
  createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex')

const packedIn = (cache: string) =>
  readdirSync(join(cache, 'packed'))
    .filter((name) => name.endsWith('.packed'))
    .map((name) => join(cache, 'packed', name))

function warnings(): string[] {
  const seen: string[] = []
  const spy = vi.spyOn(process, 'emitWarning').mockImplementation((text) => {
    seen.push(String(text))
  })
  onTestFinished(() => {
    spy.mockRestore()
  })
  return seen
}

// Of another backend nothing is kept: what is mapped is the host's memory.
describe.skipIf(process.env['QPKV_CORE_BACKEND'])('packed weights', () => {
  it.each(['stored', 'int8', 'int4'] as const)(
    '%s are written once, then mapped, and give the same logits',
    async (weights) => {
      const packedCache = temporaryFolder()
      const seen = warnings()
      const plain = await load({ weights })
      const written = await load({ weights, packedCache })
      const mapped = await load({ weights, packedCache, threads: 1 })
      expect([plain, written, mapped].map((one) => one.weights.place)).toEqual([
        'memory',
        'packed file',
        'packed file',
      ])
      for (const one of [written, mapped]) {
        expect(one.logits).toEqual(plain.logits)
        expect(one.bytes).toBe(plain.bytes)
      }
      expect(packedIn(packedCache)).toHaveLength(1)
      expect(readdirSync(join(packedCache, 'packed'))).toHaveLength(1) // nothing half done beside it
      expect(seen).toEqual([])
      const [file] = await listPacked(join(packedCache, 'packed'))
      expect(file?.of).toMatchObject({ weights, precision: 'bf16' })
      expect(file?.bytes).toBeGreaterThan(plain.bytes * 0.98)
    },
  )

  it('of another mode, precision or model are files of their own', async () => {
    const packedCache = temporaryFolder()
    await load({ packedCache })
    await load({ packedCache, weights: 'int8' })
    await load({ packedCache, precision: 'f32' }) // the same packed values
    expect(packedIn(packedCache)).toHaveLength(2)
    const copy = temporaryFolder()
    cpSync(modelFolder, copy, { recursive: true })
    await load({ packedCache }, copy)
    expect(packedIn(packedCache)).toHaveLength(3)
    const changed = new Date(Date.now() - 5000)
    utimesSync(join(copy, 'model.safetensors'), changed, changed)
    await load({ packedCache }, copy)
    expect(packedIn(packedCache)).toHaveLength(4)
  })

  const damages: readonly (readonly [string, (path: string, bytes: Buffer) => void])[] = [
    ['cut short', (path, bytes) => truncateSync(path, bytes.length - 5)],
    ['empty', (path) => writeFileSync(path, '')],
    ['a byte of a matrix changed', (path, bytes) => flip(path, bytes, 70_000)],
    ['the last matrix changed', (path, bytes) => flip(path, bytes, bytes.length - 200)],
    ['its checksums changed', (path, bytes) => flip(path, bytes, bytes.length - 2)],
    ['its header changed', (path, bytes) => flip(path, bytes, 9)],
    ['its magic changed', (path, bytes) => flip(path, bytes, 0)],
    ['the name of its model changed', (path, bytes) => flip(path, bytes, 40)],
    ['something else', (path, bytes) => writeFileSync(path, Buffer.alloc(bytes.length, 'x'))],
  ]
  function flip(path: string, bytes: Buffer, at: number): void {
    const copy = Buffer.from(bytes)
    copy[at] = (copy[at] ?? 0) ^ 4
    writeFileSync(path, copy)
  }
  it.each(damages)('that are %s are not run but made anew, with a word', async (_, damage) => {
    const packedCache = temporaryFolder()
    const sound = await load({ packedCache })
    const [path = ''] = packedIn(packedCache)
    const bytes = readFileSync(path)
    damage(path, bytes)
    const seen = warnings()
    const again = await load({ packedCache })
    expect(again.logits).toEqual(sound.logits)
    expect(seen).toEqual([expect.stringMatching(/\.packed was made anew: it/)])
    expect(readFileSync(path).equals(bytes)).toBe(true)
  })

  it('of another model under a right name are refused', async () => {
    const packedCache = temporaryFolder()
    await load({ packedCache, weights: 'int8' })
    const [int8 = ''] = packedIn(packedCache)
    const forged = readFileSync(int8)
    await load({ packedCache, weights: 'int4' })
    const int4 = packedIn(packedCache).find((path) => path !== int8) ?? ''
    const sound = await load({ weights: 'int4' })
    writeFileSync(int4, forged)
    const seen = warnings()
    expect((await load({ packedCache, weights: 'int4' })).logits).toEqual(sound.logits)
    expect(seen).toHaveLength(1)
  })

  it('stay in memory where the folder cannot be written, or is a file', async () => {
    const folder = temporaryFolder({ file: 'x' })
    const { weights } = await load({ packedCache: join(folder, 'file') })
    expect(weights.place).toBe('memory')
    expect((await load({ packedCache: false })).weights.place).toBe('memory')
    expect((await load({})).weights.place).toBe('memory') // too small to be worth a file
  })

  it('used longest ago make room; what killed processes left goes too', async () => {
    const packedCache = temporaryFolder()
    const folder = join(packedCache, 'packed')
    for (const weights of ['stored', 'int8', 'int4'] as const) await load({ packedCache, weights })
    const before = await listPacked(folder)
    for (const { path, of } of before) {
      const age = new Date(Date.now() - (of?.weights === 'int8' ? 1000 : 100_000))
      utimesSync(path, age, age)
    }
    writeFileSync(join(folder, 'abc.packed.999999999.Xyz123'), 'left')
    writeFileSync(join(folder, `abc.packed.${process.pid}.Xyz123`), 'being written')
    const int8 = before.find(({ of }) => of?.weights === 'int8')?.bytes ?? 0
    expect(await makeRoom(folder, 1000, int8 + 1000)).toBe(true)
    expect((await listPacked(folder)).map(({ of }) => of?.weights)).toEqual(['int8'])
    expect(readdirSync(folder)).toContain(`abc.packed.${process.pid}.Xyz123`)
    expect(readdirSync(folder)).not.toContain('abc.packed.999999999.Xyz123')
    expect(await makeRoom(folder, 1001, 1000)).toBe(false)
    expect(await listPacked(folder)).toHaveLength(1) // nothing is thrown away in vain
    // Use counts, not age: a mapped file is the newest again.
    await load({ packedCache, weights: 'int8' })
    const [used] = await listPacked(folder)
    expect(Date.now() - (used?.lastUsed.getTime() ?? 0)).toBeLessThan(60_000)
    expect(await clearPacked(folder)).toHaveLength(1)
    expect(await listPacked(folder)).toEqual([])
  })

  it(
    'of a process that is killed while it writes them are whole or not there',
    { timeout: 120_000 },
    async () => {
      const packedCache = temporaryFolder()
      const folder = join(packedCache, 'packed')
      const sound = await load({ weights: 'int4' })
      const program = join(import.meta.dirname, '../native/support/load-packed.ts')
      const flags = ['--conditions=@qpkv/source', '--import', 'tsx', program, packedCache, modelFolder]
      let interrupted = 0
      for (let round = 0; round < 5; round++) {
        const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] })
        await once(child.stdout, 'data')
        // Until it writes, then a moment of its own.
        while (!existsSync(folder) || readdirSync(folder).length === 0) await setTimeout(1)
        await setTimeout(round * 3)
        child.kill('SIGKILL')
        await once(child, 'close')
        interrupted +=
          existsSync(folder) && readdirSync(folder).some((name) => !name.endsWith('.packed')) ? 1 : 0
        const after = await load({ packedCache, weights: 'int4' })
        expect(after).toEqual({ ...sound, weights: { ...sound.weights, place: 'packed file' } })
        expect(readdirSync(folder)).toHaveLength(1) // what it left half done went
        rmSync(folder, { recursive: true })
      }
      expect(interrupted).toBeGreaterThan(0)
    },
  )

  it('may be cleared while a model uses them', async () => {
    const packedCache = temporaryFolder()
    await load({ packedCache })
    await using model = await loadModel(modelFolder, { packedCache, threads: 2 })
    await clearPacked(join(packedCache, 'packed'))
    expect(digest((await model.logits(ids)).logits)).toBe((await load({})).logits)
  })

  it('follow the environment, and say what is wrong with it', async () => {
    expect(packedSettings(undefined, { QPKV_CACHE: '/c', QPKV_CACHE_LIMIT: '2GiB' })).toEqual({
      folder: join('/c', 'packed'),
      limit: 2 ** 31,
    })
    expect(packedSettings(undefined, { QPKV_CACHE: 'off' }).folder).toBeUndefined()
    expect(packedSettings(undefined, { XDG_CACHE_HOME: '/x' }).folder).toBe(join('/x', 'qpkv', 'packed'))
    await throwsKv('KV_INVALID_OPTION', /QPKV_CACHE_LIMIT.*"much"/, () =>
      packedSettings(undefined, { QPKV_CACHE_LIMIT: 'much' }),
    )
    await throwsKv('KV_INVALID_OPTION', /packedCache/, () =>
      loadModel(modelFolder, { packedCache: 3 as never }),
    )
  })
})
