import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { modelFolder } from '@qpkv/reference-model'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { HubServer } from '../../core/test/hub/hub-server.ts'
import { run } from './run.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

/** A hub on the loopback interface that has the reference model as org/tiny, and a machine that has never seen it. */
async function freshMachine() {
  const files = readdirSync(modelFolder).map((name) => [
    name,
    { content: readFileSync(join(modelFolder, name)), large: name.endsWith('.safetensors') },
  ])
  const hub = await HubServer.start(Object.fromEntries(files) as HubServer['files'])
  const home = mkdtempSync(join(tmpdir(), 'qpkv-first-'))
  onTestFinished(() => {
    rmSync(home, { recursive: true })
  })
  vi.stubEnv('HF_ENDPOINT', hub.address)
  vi.stubEnv('HF_HOME', home)
  vi.stubEnv('HF_HUB_CACHE', '')
  vi.stubEnv('HF_HUB_OFFLINE', '')
  return { hub, home }
}

const question = 'The password of Ada of Selby is calm-moon. What is the password of Ada of Selby?\n/exit\n'
const chat = (...flags: string[]) =>
  run(['chat', '--max-tokens', '12', '--temperature', '0', '--threads', '1', ...flags], question)

describe('the first minute of qpkv chat', () => {
  it('says what it fetches, how big it is, whether it fits and how to do without, and then answers', async () => {
    const { hub, home } = await freshMachine()
    const first = await chat('--model', 'org/tiny', '--quantize', 'kivi:bits=4')
    expect(first.code).toBe(0)
    expect(first.stdout).toContain('calm-moon')
    expect(first.stderr).toMatch(
      /^org\/tiny: \S+ MiB to fetch \(1 weight file, \S+ MiB in all\) into .*models--org--tiny$/m,
    )
    expect(first.stderr).toContain(home)
    expect(first.stderr).toMatch(
      /^memory: weights \S+ MiB of .* that are free; a cache of 8192 tokens takes \S+ MiB, about \S+ MiB with --quantize kivi:bits=4$/m,
    )
    expect(first.stderr).toMatch(/^offline: .*HF_HUB_OFFLINE=1/m)
    expect(hub.contentRequests('model.safetensors').length).toBeGreaterThan(0)

    const again = await chat('--model', 'org/tiny')
    expect(again.stderr).not.toMatch(/to fetch/)
    await hub.stop()
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    expect((await chat('--model', 'org/tiny')).stdout).toContain('calm-moon')
  })

  it('says what to do where there is neither network nor model', async () => {
    const { hub } = await freshMachine()
    await hub.stop()
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    const { code, stderr } = await chat('--model', 'org/tiny')
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /HF_HUB_OFFLINE is set and org\/tiny is not in .*\nhint: Unset HF_HUB_OFFLINE once/,
    )
  })

  it('answers without any download, and says which models would fit', async () => {
    const { hub } = await freshMachine()
    const { code, stdout, stderr } = await chat()
    expect(code).toBe(0)
    expect(stdout).toContain('calm-moon')
    expect(stderr).toMatch(/note: the bundled model .* qpkv chat --model org\/name; .* are free, /)
    expect(hub.requests).toEqual([])
  })
})
