import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { loadModel } from '@qpkv/core'
import { modelFolder } from '@qpkv/reference-model'
import { expect, it } from 'vitest'
import { needlePrompt } from './needle-prompt.ts'

it('worker threads that end in the middle of a generation take nothing with them', async () => {
  await using model = await loadModel(modelFolder, { threads: 2 })
  const workers = [0, 1, 2].map(
    () =>
      new Worker(new URL('generate-forever.mjs', import.meta.url), {
        execArgv: ['--conditions=@qpkv/source'],
        workerData: { tokens: 600 },
      }),
  )
  await Promise.all(
    workers.map(async (worker, i) => {
      for (let tokens = 0; tokens < 5 * (i + 1); tokens++) await once(worker, 'message')
      await worker.terminate()
    }),
  )
  await using context = await model.prefill(needlePrompt())
  expect((await context.generate({ maxTokens: 5, stop: ['.'] }).result).text).toMatch(/1234567/)
}, 60_000)
