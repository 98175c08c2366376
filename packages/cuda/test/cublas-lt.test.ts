import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { backendDevices, loadModel, type BackendDevice } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { afterEach, describe, expect, test } from 'vitest'
import { executor, fakeCublasLt, fakeWithoutMatmul, nativeTests } from './support.ts'

/** Runs native tests over the executor, whose streams live on: how many products the library has made, and how much it still holds. */
function products(env: Record<string, string>, tests = ['=MatmulManyRows']): { made: number; left: number } {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-cublas-lt-'))
  const report = join(folder, 'report')
  execFileSync(nativeTests, tests, {
    stdio: 'pipe',
    env: {
      ...process.env,
      QPKV_TEST_BACKEND: executor,
      QPKV_CUBLASLT: fakeCublasLt,
      QPKV_FAKE_CUBLASLT_REPORT: report,
      ...env,
    },
  })
  const [made, left] = existsSync(report) ? readFileSync(report, 'utf8').split(' ').map(Number) : [0, 0]
  rmSync(folder, { recursive: true })
  return { made: made!, left: left! }
}

const there = [executor, fakeCublasLt, fakeWithoutMatmul, nativeTests].every((path) => existsSync(path))

describe.skipIf(!there)('cuBLASLt', () => {
  /** With at least 128 rows, in the native test. */
  const shapes = 2

  test('makes products of many rows that the op suite finds right, tried once for a shape', () => {
    // The try and three that are timed; then the test's own, one and one on each of three streams.
    expect(products({}).made).toBe(shapes * (4 + 4))
  })

  test('makes none unless it is asked for', () => {
    expect(products({ QPKV_CUBLASLT: 'off' }).made).toBe(0)
    expect(products({ QPKV_CUBLASLT: '' }).made).toBe(0)
  })

  test('makes none of few rows, whose bits do not depend on the rows beside them', () => {
    expect(products({}, ['=MatmulRowsAlone']).made).toBe(0)
  })

  test.each([
    ['is slower', { QPKV_FAKE_CUBLASLT_SLOW: '200' }],
    ['gives other products', { QPKV_FAKE_CUBLASLT_WRONG: '1' }],
  ])('is left where it %s', (_, env) => {
    const { made } = products(env)
    expect(made).toBe(4 * shapes)
  })

  test.each([
    'Create',
    'MatmulDescCreate',
    'MatmulDescSetAttribute',
    'MatrixLayoutCreate',
    'MatmulPreferenceCreate',
    'MatmulPreferenceSetAttribute',
    'MatmulAlgoGetHeuristic',
    'Matmul',
  ])('where %s refuses, the own kernels multiply and nothing is left over', (name) => {
    const { made, left } = products({ QPKV_FAKE_CUBLASLT_FAIL: `${name}:1` })
    expect(made).toBe(0)
    // The handle of the stream that tried, and for each shape a product and three layouts.
    expect(left).toBe(name === 'Create' ? 0 : name === 'Matmul' ? 1 + 4 * shapes : 1)
  })

  test('is left where it cannot be timed', () => {
    // A try, three that are timed; for the other shape the test's own, too.
    expect(products({ QPKV_EXECUTOR_FAIL: 'cudaEventCreate:1:2' }).made).toBe(4 + (4 + 4))
  })

  test('is left where it asks for more memory than it may, or than there is', () => {
    expect(products({ QPKV_FAKE_CUBLASLT_WORKSPACE: String(64 << 20) }).made).toBe(0)
    const scarce = { QPKV_FAKE_CUBLASLT_WORKSPACE: String(32 << 20), QPKV_EXECUTOR_MEMORY: String(24 << 20) }
    expect(products(scarce).made).toBe(0)
  })

  test.each([
    ['a path where there is none', { QPKV_CUBLASLT: '/nowhere/libcublasLt.so.13' }],
    ['a library without one of the functions', { QPKV_CUBLASLT: fakeWithoutMatmul }],
    ['another version', { QPKV_FAKE_CUBLASLT_VERSION: '120803' }],
  ])('%s: the own kernels multiply', (_, env) => {
    expect(products(env).made).toBe(0)
  })
})

describe.skipIf(!there)('the reference model with cuBLASLt', () => {
  afterEach(() => {
    delete process.env['QPKV_FAKE_CUBLASLT_FAIL']
  })

  test(
    'answers as without it, also where the library refuses in the middle',
    { timeout: 300_000 },
    async () => {
      process.env['QPKV_CUBLASLT'] = fakeCublasLt
      const prompt = 'The bridge of Orme was painted green. It rained in Tarn. '.repeat(20)
      const logits = async (device: 'cpu' | BackendDevice, precision: 'f32' | 'bf16-fast') => {
        const model = await loadModel(modelFolder, { device, precision, methods: registry })
        const context = await model.prefill(prompt, { compression: 'none+none' })
        expect(context.tokens).toBeGreaterThan(128)
        await context.append([100])
        const result = await context.logits()
        await model.dispose()
        return result
      }
      const device = backendDevices(executor)[0]!
      const want = await logits('cpu', 'f32')
      const by = await logits(device, 'bf16-fast')
      process.env['QPKV_FAKE_CUBLASLT_FAIL'] = 'Matmul:3'
      const without = await logits(device, 'bf16-fast')
      const norm = (x: Iterable<number>) => Math.hypot(...x)
      for (const got of [by, without])
        expect(norm(want.map((value, i) => value - got[i]!)) / norm(want)).toBeLessThan(0.03)
      // Sums in another order: it was the library that multiplied before.
      expect(by).not.toEqual(without)
    },
  )
})
