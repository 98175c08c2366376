import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { modelFolder } from '@qpkv/reference-model'
import { afterEach, expect, it, vi } from 'vitest'
import { loadModel } from '../../src/load-model.ts'
import { temporaryFolder } from '../support/model-folder.ts'
import { HubServer } from './hub-server.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

it('loadModel takes a name, fetches the model once, and it answers', async () => {
  const server = await HubServer.start(
    Object.fromEntries(
      readdirSync(modelFolder).map((name) => [
        name,
        { content: readFileSync(join(modelFolder, name)), large: name.endsWith('.safetensors') },
      ]),
    ),
  )
  vi.stubEnv('HF_HOME', temporaryFolder())
  vi.stubEnv('HF_ENDPOINT', server.address)
  vi.stubEnv('HF_HUB_CACHE', '')
  vi.stubEnv('HF_HUB_OFFLINE', '')
  const stages: string[] = []
  const model = await loadModel('org/tiny', {
    threads: 1,
    onProgress: ({ stage }) => stages.push(stage),
  })
  expect([...new Set(stages)]).toEqual(['download', 'plan', 'files', 'weights', 'ready'])
  const context = await model.prefill('The boat is')
  expect((await context.generate({ maxTokens: 1 }).result).usage.newTokens).toBe(1)
  await context.dispose()
  await model.dispose()

  vi.stubEnv('HF_HUB_OFFLINE', '1')
  await server.stop()
  await (await loadModel('org/tiny', { threads: 1 })).dispose()
})
