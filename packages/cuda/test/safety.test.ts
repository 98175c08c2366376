import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { backendDevices, loadModel, type BackendDevice, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { KvError } from '@qpkv/spec'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { cuda, cudaDevices } from '../src/index.ts'
import { executor } from './support.ts'

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const prompt = 'The bridge of Orme was painted green. '.repeat(12)
const open = (): Promise<Model> =>
  loadModel(modelFolder, {
    device: backendDevices(executor)[0] as BackendDevice,
    precision: 'f32',
    methods: registry,
  })
/** A worker does not inherit the loader of TypeScript files. */
const inWorker = `import('tsx/esm/api').then(async ({ register }) => {
  register()
  const { parentPort } = await import('node:worker_threads')
  const { backendDevices, loadModel } = await import('@qpkv/core')
  const model = await loadModel(${JSON.stringify(modelFolder)}, {
    device: backendDevices(${JSON.stringify(executor)})[0], precision: 'f32',
  })
  const context = await model.prefill(${JSON.stringify(prompt)})
  parentPort.postMessage('running')
  const { tokens } = await context.generate({ maxTokens: 8, stopTokens: [] }).result
  await model.dispose()
  parentPort.postMessage([...tokens])
})`

async function answer(model: Model): Promise<string> {
  await using context = await model.prefill(prompt, { compression: 'snapkv+kivi:bits=4@60%' })
  return (await context.generate({ maxTokens: 6 }).result).text
}
afterEach(() => vi.unstubAllEnvs())

describe('where there is nothing to use', () => {
  test('a library that is none is said by name, and a GPU that none has by number', () => {
    const folder = mkdtempSync(join(tmpdir(), 'qpkv-cuda-'))
    const file = join(folder, 'qpkv_cuda.so')
    writeFileSync(file, 'no library')
    vi.stubEnv('QPKV_CUDA_LIBRARY', file)
    const found = cudaDevices()
    expect(found).toHaveProperty('whyNot')
    expect(() => cuda(0)).toThrow(expect.objectContaining({ code: 'KV_UNSUPPORTED' }) as Error)
    expect(() => cuda(-1)).toThrow(expect.objectContaining({ code: 'KV_INVALID_OPTION' }) as Error)
    rmSync(folder, { recursive: true })
  })
})

describe.skipIf(!existsSync(executor))('on the host executor', { timeout: 300_000 }, () => {
  test('a GPU that is not there is refused with the last one that is', () => {
    vi.stubEnv('QPKV_CUDA_LIBRARY', executor)
    expect(() => cuda(1)).toThrow(expect.objectContaining({ code: 'KV_INVALID_OPTION' }) as Error)
  })

  test('no memory for the weights, then for a prompt: KV_MEMORY both times, and the process goes on', async () => {
    vi.stubEnv('QPKV_EXECUTOR_MEMORY', '100000')
    await expect(open()).rejects.toMatchObject({ code: 'KV_MEMORY' })
    vi.stubEnv('QPKV_EXECUTOR_MEMORY', undefined)
    const model = await open()
    const before = await answer(model)
    vi.stubEnv('QPKV_EXECUTOR_MEMORY', '1')
    await expect(answer(model)).rejects.toMatchObject({ code: 'KV_MEMORY' })
    vi.stubEnv('QPKV_EXECUTOR_MEMORY', undefined)
    expect(await answer(model)).toBe(before)
    await model.dispose()
  })

  test('two contexts at once answer as each does alone', async () => {
    const model = await open()
    const alone = await answer(model)
    expect(await Promise.all([answer(model), answer(model)])).toEqual([alone, alone])
    await model.dispose()
  })

  test('a model that is disposed of while it generates ends with a code, and the next one works', async () => {
    const model = await open()
    const context = await model.prefill(prompt)
    const running = context.generate({ maxTokens: 8, stopTokens: [] }).result.catch((cause: unknown) => cause)
    await model.dispose()
    const ended = await running
    if (ended instanceof Error) expect(KvError.isInstance(ended)).toBe(true)
    const next = await open()
    expect(await answer(next)).not.toBe('')
    await next.dispose()
  })

  test('worker threads have models of their own; one that is ended while its kernels run takes nobody with it', () => {
    const program = `
      import { Worker } from 'node:worker_threads'
      const run = (terminate) => new Promise((done, fail) => {
        const worker = new Worker(${JSON.stringify(inWorker)}, { eval: true })
        worker.on('error', fail)
        worker.on('message', (said) => {
          if (said !== 'running') done(said)
          else if (terminate) setTimeout(() => worker.terminate().then(() => done('terminated')), 30)
        })
      })
      console.log(JSON.stringify(await Promise.all([run(false), run(true), run(false), run(true)]).then(async (all) => [...all, await run(false)])))
    `
    const said = JSON.parse(
      execFileSync(
        process.execPath,
        ['--conditions=@qpkv/source', '--import', tsx, '--input-type=module', '-e', program],
        { encoding: 'utf8', cwd: join(import.meta.dirname, '..') },
      ),
    ) as unknown[]
    expect(said[0]).toHaveLength(8)
    expect(said).toEqual([said[0], 'terminated', said[0], 'terminated', said[0]])
  })
})
