import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, describe, it, onTestFinished } from 'vitest'
import { advise, type Findings } from '../src/doctor/findings.ts'
import { findingsText } from '../src/doctor/findings-text.ts'
import { examineModelCache } from '../src/doctor/model-cache.ts'
import { examinePackedWeights } from '../src/doctor/packed-weights.ts'

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'qpkv-doctor-'))
  onTestFinished(() => {
    rmSync(path, { recursive: true })
  })
  return path
}

const healthy: Omit<Findings, 'advice'> = {
  node: '22.0.0',
  platform: 'linux x64 glibc 2.36',
  cpu: { model: 'a cpu', cores: 4, features: ['avx2', 'avx512f'] },
  addon: { path: 'core.node', kind: 'package' },
  opTables: ['avx512', 'avx2', 'scalar'],
  memory: { total: 2 ** 34, available: 2 ** 33 },
  gpu: 'CPU only so far',
  versions: { qpkv: '0.1.0', '@qpkv/core': '0.1.0' },
  modelCache: {
    folder: 'hub',
    exists: true,
    models: ['org/name'],
    freeBytes: 2 ** 30,
    endpoint: 'https://hub',
    offline: false,
    loggedIn: false,
  },
  weights: { folder: 'packed', files: 2, bytes: 3 * 2 ** 20, limit: 2 ** 30 },
}

describe('packed weights', () => {
  it('are counted, may be off, and a wrong limit is advice', async () => {
    const cache = folder()
    mkdirSync(join(cache, 'packed'))
    writeFileSync(join(cache, 'packed', 'abc.packed'), 'x'.repeat(100))
    expect(await examinePackedWeights({ QPKV_CACHE: cache })).toMatchObject({ files: 1, bytes: 100 })
    const off = { ...healthy, weights: await examinePackedWeights({ QPKV_CACHE: 'off' }) }
    expect(findingsText({ ...off, advice: advise(off) })).toMatch(/^weights +packed at every load/m)
    const wrong = { ...healthy, weights: await examinePackedWeights({ QPKV_CACHE_LIMIT: 'much' }) }
    expect(advise(wrong).join()).toMatch(/QPKV_CACHE_LIMIT.*"much"/)
  })
})

describe('qpkv doctor', () => {
  it('says that all is well where it is', () => {
    const text = findingsText({ ...healthy, advice: advise(healthy) })
    expect(text).toMatch(/All is well/)
    expect(text).toMatch(/^op tables +avx512 is used; offered: avx512, avx2, scalar$/m)
    expect(text).toMatch(/^models +hub: org\/name; 1 GiB free on its disk$/m)
    expect(text).toMatch(/^hub +https:\/\/hub, without a token$/m)
    expect(text).toMatch(/^weights +packed: 2 packed, 3 MiB of at most 1 GiB$/m)
  })

  it.each<[string, Partial<Findings>, RegExp]>([
    [
      'a missing engine',
      { addon: { error: 'gone', hint: 'Type: npm install x.' } },
      /^- Type: npm install x\.$/m,
    ],
    ['no vectors', { opTables: ['scalar'] }, /it works, slowly/],
    ['AVX2 alone', { opTables: ['avx2', 'scalar'] }, /fastest kernels need AVX-512/],
    ['an old Node', { node: '20.19.0' }, /22 or newer is recommended/],
    ['little memory', { memory: { total: 2 ** 34, available: 2 ** 28 } }, /Only 256 MiB of memory/],
    [
      'mixed versions',
      { versions: { qpkv: '0.2.0', '@qpkv/core': '0.1.0' } },
      /different versions: type npm update/,
    ],
  ])('advises about %s', (_, change, pattern) => {
    const found = { ...healthy, ...change }
    expect(findingsText({ ...found, advice: advise(found) })).toMatch(pattern)
  })

  it('looks at the cache of models', () => {
    const home = folder()
    expect(examineModelCache({ HF_HOME: join(home, 'not', 'yet') })).toMatchObject({
      exists: false,
      models: [],
    })
    mkdirSync(join(home, 'hub', 'models--org--a-b'), { recursive: true })
    const found = examineModelCache({ HF_HOME: home, HF_TOKEN: 'x', HF_HUB_OFFLINE: '1' })
    expect(found).toMatchObject({ models: ['org/a-b'], loggedIn: true, offline: true })
    expect(found.freeBytes).toBeGreaterThan(0)
    expect(JSON.stringify(found)).not.toContain('"x"') // the token is nobody's business
    expect(examineModelCache({ HF_ENDPOINT: 'nonsense' }).problem).toMatch(/HF_ENDPOINT/)
  })
})
