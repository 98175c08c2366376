import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { modelFolder } from '@qpkv/reference-model'
import { expect, test } from 'vitest'
import { executor, fakeCublasLt, fakeWithoutMatmul } from './support.ts'

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const cuda = pathToFileURL(join(import.meta.dirname, '..', 'src', 'index.ts')).href

/** A library is opened once in a process, so that each situation has its own. */
function inProcess(program: string, env: Record<string, string>): string {
  return execFileSync(
    process.execPath,
    ['--conditions=@qpkv/source', '--import', tsx, '--input-type=module', '-e', program],
    {
      encoding: 'utf8',
      cwd: join(import.meta.dirname, '..'),
      env: { ...process.env, QPKV_CUDA_LIBRARY: executor, ...env },
    },
  ).trim()
}
const program = `
  import { cuda, cudaDevices } from ${JSON.stringify(cuda)}
  const found = cudaDevices()
  let code = 'none', message = ''
  try {
    const { loadModel } = await import('@qpkv/core')
    const model = await loadModel(${JSON.stringify(modelFolder)}, { device: cuda(0) })
    await model.dispose()
  } catch (error) { code = error.code ?? String(error); message = error.message }
  console.log(JSON.stringify({ found, code, message }))
`
interface Said {
  found: { whyNot?: string; devices?: { name: string }[] }
  code: string
  message: string
}
const said = (env: Record<string, string>) => JSON.parse(inProcess(program, env)) as Said

const situations: [string, Record<string, string>, string, RegExp][] = [
  ['no driver', { QPKV_EXECUTOR_DRIVER: '0' }, 'KV_UNSUPPORTED', /no NVIDIA driver/],
  [
    'a driver too old',
    { QPKV_EXECUTOR_DRIVER: '12040' },
    'KV_UNSUPPORTED',
    /CUDA 12\.4 and 13\.0 is needed.*580/,
  ],
  ['no device', { QPKV_EXECUTOR_DEVICES: '0' }, 'KV_UNSUPPORTED', /no NVIDIA GPU/],
  [
    'a driver that fails',
    { QPKV_EXECUTOR_FAIL: 'cudaGetDeviceCount:1:719' },
    'KV_UNSUPPORTED',
    /unspecified launch failure/,
  ],
  [
    'a device too old',
    { QPKV_EXECUTOR_CAPABILITY: '75' },
    'KV_UNSUPPORTED',
    /compute capability 7\.5, where 8\.0 is needed/,
  ],
  [
    'a device that does not open',
    { QPKV_EXECUTOR_FAIL: 'cudaStreamCreateWithFlags:1:2' },
    'KV_UNSUPPORTED',
    /cannot be opened/,
  ],
  ['all well', {}, 'none', /^$/],
]

test.skipIf(!existsSync(executor)).each(situations)('%s', (_, env, code, message) => {
  const { code: got, message: text } = said(env)
  expect(got).toBe(code)
  expect(text).toMatch(message)
})

test.skipIf(!existsSync(executor))('two devices are two', () => {
  expect(said({ QPKV_EXECUTOR_DEVICES: '2' }).found.devices).toHaveLength(2)
})

// Devices say by what they multiply: it stands in results and in 'qpkv doctor'.
const libraries: [Record<string, string>, RegExp][] = [
  [{ QPKV_CUBLASLT: fakeCublasLt }, / with cuBLASLt 13\.1\.0$/],
  [{ QPKV_CUBLASLT: '/nowhere/lt.so' }, / without cuBLASLt \(\/nowhere\/lt\.so was not found\)$/],
  [{ QPKV_CUBLASLT: fakeWithoutMatmul }, / without cuBLASLt \(.* has no cublasLtMatmul\)$/],
  [
    { QPKV_CUBLASLT: fakeCublasLt, QPKV_FAKE_CUBLASLT_VERSION: '120803' },
    / without cuBLASLt \(.* is version 12\.8\.3, where 13 is needed\)$/,
  ],
  [{ QPKV_CUBLASLT: 'off' }, /^[^(]*host$/],
]
test.skipIf(!existsSync(fakeCublasLt)).each(libraries)('with %j a device is called %s', (env, name) => {
  const { found, code } = said(env)
  expect(found.devices![0]!.name).toMatch(name)
  expect(code).toBe('none')
})

test('a library of another version is refused by name', () => {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-abi-'))
  const source = join(folder, 'other.c')
  // What every version answers to another one: its own hash, and why not.
  writeFileSync(
    source,
    `struct backend { unsigned long long abi; const char* why_not; void* rest[16]; };
     static struct backend other = { 42, "it was built for another version of qpkv" };
     const void* qpkv_backend(unsigned long long abi) { return &other; }`,
  )
  const library = join(folder, 'other.so')
  execFileSync('cc', ['-shared', '-fPIC', '-w', '-o', library, source])
  const { code, message } = said({ QPKV_CUDA_LIBRARY: library })
  expect(code).toBe('KV_UNSUPPORTED')
  expect(message).toMatch(/another version/)
  rmSync(folder, { recursive: true })
})
