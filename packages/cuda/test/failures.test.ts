import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { backendDevices, loadModel, type BackendDevice } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { KvError } from '@qpkv/spec'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { namedModel } from '../../core/test/support/named-weights.ts'
import { executor } from './support.ts'

/*
 * What the driver does wrong. The executor has the CUDA runtime's calls (native/executor/runtime.h), which return errors where they
 * are told to, so that the code around them (native/runtime) is tested as it runs on a device.
 */

const folder = mkdtempSync(join(tmpdir(), 'qpkv-failures-'))
const report = join(folder, 'report')
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(() => vi.unstubAllEnvs())

/** A small model of core's cases: several hundred of them are opened here. */
const { config, tensors, ids } = JSON.parse(
  readFileSync(new URL('../../core/test/goldens/families/llama-mqa.json', import.meta.url), 'utf8'),
) as { config: Record<string, unknown>; tensors: Record<string, number[]>; ids: number[] }

/** Opens, reads, answers and goes; the code of what went wrong, or what it said. */
async function whole(folder: string): Promise<string> {
  try {
    await using model = await loadModel(folder, {
      device: backendDevices(executor)[0] as BackendDevice,
      precision: 'f32',
      methods: registry,
    })
    await using context = await model.prefill(ids.slice(0, 40), { compression: 'h2o+kivi:bits=4@60%' })
    return (await context.generate({ maxTokens: 3, stopTokens: [] }).result).tokens.join(' ')
  } catch (cause) {
    if (KvError.isInstance(cause)) return cause.code
    throw cause
  }
}
/** Calls of the runtime since the process began, and bytes of the device still taken, when the last stream ended. */
const reported = () => readFileSync(report, 'utf8').split(' ').map(Number) as [number, number]

/** Every call of the runtime that runtime/*.cu make once a model is there. */
const calls = [
  'cudaSetDevice',
  'cudaStreamCreateWithFlags',
  'cudaDeviceGetAttribute',
  'cudaDeviceGetDefaultMemPool',
  'cudaMemPoolSetAttribute',
  'cudaMallocAsync',
  'cudaFreeAsync',
  'cudaMemcpyAsync',
  'cudaMemsetAsync',
  'cudaStreamSynchronize',
  'cudaStreamBeginCapture',
  'cudaStreamEndCapture',
  'cudaGraphInstantiate',
  'cudaGraphLaunch',
  'cudaGraphDestroy',
  'cudaGraphExecDestroy',
  'cudaMemPoolTrimTo',
  'cudaStreamDestroy',
  'cudaFuncSetAttribute',
  'launch',
]
const OUT_OF_MEMORY = 2
const LAUNCH_FAILURE = 719

describe.skipIf(!existsSync(executor))('on the host executor', { timeout: 600_000 }, () => {
  test('every call that the sources make is tried here', () => {
    const native = join(import.meta.dirname, '..', 'native', 'runtime')
    const text = ['queue.cu', 'queue.h', 'stream.cu']
      .map((file) => readFileSync(join(native, file), 'utf8'))
      .join('')
    const made = new Set([...text.matchAll(/\b(cuda[A-Z]\w+)\(/g)].map(([, name]) => name!))
    // These two only tell what there was.
    for (const never of ['cudaGetLastError', 'cudaGetErrorString']) made.delete(never)
    // Only where cuBLASLt is asked for: cublas-lt.test.ts.
    for (const call of made) if (call.startsWith('cudaEvent')) made.delete(call)
    expect(calls.filter((call) => call !== 'launch').sort()).toEqual([...made].sort())
  })

  test.each(calls)(
    '%s: errors end in a code, leave no memory behind, and the next model works',
    async (call) => {
      vi.stubEnv('QPKV_EXECUTOR_REPORT', report)
      const model = namedModel(config, tensors)
      const answer = await whole(model)
      expect(reported()[1]).toBe(0)
      expect(answer).not.toMatch(/^KV_/)
      for (const code of [OUT_OF_MEMORY, LAUNCH_FAILURE])
        for (const nth of [1, 2, 9, 60]) {
          vi.stubEnv('QPKV_EXECUTOR_FAIL', `${call}:${nth}:${code}`)
          const said = await whole(model)
          const what = `${call} ${nth} ${code}`
          // What was not reached, or does no harm, does not show.
          expect([answer, 'KV_MEMORY', 'KV_ADDON', 'KV_UNSUPPORTED'], what).toContain(said)
          if (said === 'KV_MEMORY') expect(code, what).toBe(OUT_OF_MEMORY)
          expect(reported()[1], `${what}: bytes left`).toBe(0)
          vi.stubEnv('QPKV_EXECUTOR_FAIL', undefined)
        }
      expect(await whole(model)).toBe(answer)
    },
  )

  test('a device that is lost at any call: KV_ADDON, or what opening says', async () => {
    vi.stubEnv('QPKV_EXECUTOR_REPORT', report)
    const model = namedModel(config, tensors)
    const before = await whole(model)
    const [first] = reported()
    await whole(model)
    const count = reported()[0] - first
    expect(count).toBeGreaterThan(100)
    const said = new Set<string>()
    for (let at = 1; at < count; at += Math.ceil(count / 150)) {
      vi.stubEnv('QPKV_EXECUTOR_FAIL', `*:${at}:${LAUNCH_FAILURE}`)
      said.add(await whole(model))
      expect(reported()[1], `call ${at}: bytes left`).toBe(0)
    }
    vi.stubEnv('QPKV_EXECUTOR_FAIL', undefined)
    said.delete(before) // among the last calls, which give back what was taken
    expect([...said].sort()).toEqual(['KV_ADDON', 'KV_UNSUPPORTED'])
    expect(await whole(model)).toBe(before)
  })
})
