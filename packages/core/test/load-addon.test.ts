import { describe, expect, it } from 'vitest'
import { findAddon } from '../src/native/load-addon.ts'
import { loadingAdvice } from '../src/native/loading-advice.ts'
import { currentPlatform, platformPackage } from '../src/native/platform.ts'
import { temporaryFolder } from './support/model-folder.ts'
import { throwsKv } from './support/throws.ts'

const platform = { os: 'plan9', arch: 'pdp11' } as const

describe('the addon loader', () => {
  it('says in one paragraph what was tried, why each failed, and what to type', async () => {
    const root = temporaryFolder({ 'package.json': '{}' })
    const error = await throwsKv('KV_ADDON', /npm install @qpkv\/core-plan9-pdp11/, () =>
      findAddon({ root, env: {}, platform }),
    )
    expect(error.message).toMatch(/plan9 pdp11/)
    expect(error.message).toMatch(/build\/Release\/qpkv_core.node\): there is no such file/)
    expect(error.message).toMatch(/prebuilt package \(@qpkv\/core-plan9-pdp11\): Cannot find module/)
    expect(error.message).not.toContain('\n')
    expect(error.hint).toMatch(/--omit=optional/)
  })

  const offers = JSON.stringify({
    optionalDependencies: { '@qpkv/core-linux-x64-gnu': '*', '@qpkv/core-darwin-arm64': '*' },
  })

  it('knows for which systems there is something', async () => {
    const root = temporaryFolder({ 'package.json': offers })
    await throwsKv('KV_ADDON', /on linux x64 musl[^]*exist for darwin-arm64, linux-x64-gnu. On Alpine/, () =>
      findAddon({ root, env: {}, platform: { os: 'linux', arch: 'x64', libc: 'musl' } }),
    )
    await throwsKv('KV_ADDON', /on Windows, WSL[^]*QPKV_CORE_NATIVE/, () =>
      findAddon({ root, env: {}, platform: { os: 'win32', arch: 'x64' } }),
    )
    await throwsKv('KV_ADDON', /npm install @qpkv\/core-linux-x64-gnu[^]*--no-optional/, () =>
      findAddon({ root, env: {}, platform: { os: 'linux', arch: 'x64', libc: 'gnu' } }),
    )
  })

  it('sees node_modules that were copied from another system', async () => {
    const root = temporaryFolder({
      'package.json': offers,
      'node_modules/@qpkv/core-darwin-arm64/package.json': '{}',
    })
    await throwsKv(
      'KV_ADDON',
      /core-darwin-arm64, which is for another system[^]*--os=linux --cpu=x64 --libc=glibc/,
      () => findAddon({ root, env: {}, platform: { os: 'linux', arch: 'x64', libc: 'gnu' } }),
    )
  })

  it('names the C library that is too old', () => {
    const failure = "/lib/libc.so.6: version `GLIBC_2.28' not found (required by qpkv_core.node)"
    expect(loadingAdvice('/nowhere', { os: 'linux', arch: 'x64', libc: 'gnu' }, [failure])).toMatch(
      /older than glibc 2.28/,
    )
  })

  it('in a checkout says how to build', async () => {
    const root = temporaryFolder({ 'package.json': '{}', 'CMakeLists.txt': '', 'native/x': '' })
    await throwsKv('KV_ADDON', /pnpm build/, () => findAddon({ root, env: {}, platform }))
  })

  it('does not fall back behind a path that was asked for', async () => {
    const folder = temporaryFolder({ 'broken.node': 'no shared object' })
    const env = { QPKV_CORE_NATIVE: `${folder}/broken.node` }
    await throwsKv('KV_ADDON', /QPKV_CORE_NATIVE \(.*broken.node\)[^]*unset/, () =>
      findAddon({ root: folder, env, platform }),
    )
  })

  it('tells why a build that is there cannot be loaded', async () => {
    const root = temporaryFolder({ 'package.json': '{}', 'build/Release/qpkv_core.node': 'no shared object' })
    const error = await throwsKv('KV_ADDON', /./, () => findAddon({ root, env: {}, platform }))
    expect(error.message).not.toMatch(/no such file/)
  })

  it('refuses a module that is no addon', async () => {
    const root = temporaryFolder({ 'package.json': '{}', 'other.cjs': 'module.exports = { opTables: 1 }' })
    const env = { QPKV_CORE_NATIVE: `${root}/other.cjs` }
    await throwsKv('KV_ADDON', /no addon of this version/, () => findAddon({ root, env, platform }))
  })

  it('names packages by system, processor and C library', () => {
    expect(platformPackage({ os: 'linux', arch: 'x64', libc: 'gnu' })).toBe('@qpkv/core-linux-x64-gnu')
    expect(platformPackage({ os: 'darwin', arch: 'arm64' })).toBe('@qpkv/core-darwin-arm64')
    if (process.platform === 'linux') expect(currentPlatform().libc).toMatch(/gnu|musl/)
  })
})
