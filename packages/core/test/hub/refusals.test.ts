import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { downloadModel } from '../../src/hub/download-model.ts'
import { findModel } from '../../src/hub/find-model.ts'
import { temporaryFolder } from '../support/model-folder.ts'
import { throwsKv } from '../support/throws.ts'
import { everyFile, hub, retry, text, tiny, weights } from './hub-fixture.ts'
import { COMMIT, etagOf, type HubFile } from './hub-server.ts'

describe('a wrong file', () => {
  it('is refused after a second attempt and leaves nothing', async () => {
    const files = tiny()
    files['model.safetensors'] = { ...weights(1000), etag: 'a'.repeat(64) }
    const { server, fetchIt, model } = await hub(files)
    await throwsKv('KV_DOWNLOAD', /model.safetensors arrived twice with another checksum/, () => fetchIt())
    expect(server.requests.filter(({ path }) => path === '/model.safetensors')).toHaveLength(2)
    expect(everyFile(model).some((name) => name.includes('aaaa') || name.includes('model.safetensors'))).toBe(
      false,
    )
  })

  it('of the small kind is refused too', async () => {
    const { server, fetchIt } = await hub()
    server.trouble = (request, response) => {
      if (!request.url?.endsWith('/config.json')) return false
      response.end('{"model_type":"other"}')
      return true
    }
    await throwsKv('KV_DOWNLOAD', /config.json arrived twice/, () => fetchIt())
  })

  it('that was left half-way by another file of that name is fetched afresh', async () => {
    const { server, fetchIt, model } = await hub()
    const file = server.files['model.safetensors'] as HubFile
    mkdirSync(join(model, 'blobs'), { recursive: true })
    writeFileSync(join(model, 'blobs', `${etagOf(file)}.incomplete`), 'nonsense')
    expect(readFileSync(join(await fetchIt(), 'model.safetensors')).equals(file.content)).toBe(true)
  })
})

describe('a hub that answers', () => {
  const answering = async (status: number, headers: Record<string, string> = {}, times = Infinity) => {
    const made = await hub()
    let count = 0
    made.server.trouble = (_, response) => {
      if (count++ >= times) return false
      response.writeHead(status, headers).end()
      return true
    }
    return made
  }

  it.each([
    [401, /private, or its license must be accepted first[^]*set HF_TOKEN/],
    [403, /answered 403/],
    [404, /answered 404: there is no such model[^]*Check the name/],
    [500, /Could not fetch org\/tiny: .* answered 500/],
  ])('%i says what to do', async (status, pattern) => {
    const { server, fetchIt } = await answering(status)
    await throwsKv('KV_DOWNLOAD', pattern, () => fetchIt())
    expect(server.requests).toHaveLength(status < 500 ? 1 : retry.attempts)
  })

  it.each([
    ['in seconds', () => '1'],
    ['as a date', () => new Date(Date.now() + 2000).toUTCString()], // whole seconds: between one and two from now
  ])('429 is obeyed: %s', async (_, when) => {
    const { server, fetchIt } = await answering(429, { 'retry-after': when() }, 1)
    const times: number[] = []
    const { trouble } = server
    server.trouble = (...at) => {
      times.push(Date.now())
      return trouble(...at)
    }
    expect(await fetchIt('org/tiny', { retry: { ...retry, longestWaitMs: 5000 } })).toMatch(COMMIT)
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(900)
  })

  it('429 with a long wait says how long', async () => {
    const { server, fetchIt } = await answering(429, { 'retry-after': '3600' })
    await throwsKv('KV_DOWNLOAD', /answered 429 and asks to wait 3600 s/, () => fetchIt())
    expect(server.requests).toHaveLength(1)
  })

  it('redirects in a circle, or to an unsafe place, is refused', async () => {
    const circle = await answering(302, { location: '/again' })
    await throwsKv('KV_DOWNLOAD', /redirects more than 5 times/, () => circle.fetchIt())
    const unsafe = await answering(302, { location: 'ftp://127.0.0.1/x' })
    await throwsKv('KV_DOWNLOAD', /not safe to follow/, () => unsafe.fetchIt())
  })

  it('no weights says what there is', async () => {
    const { 'config.json': config } = tiny()
    const { fetchIt } = await hub({ 'config.json': config as HubFile, 'model-q4.gguf': weights(9) })
    await throwsKv('KV_DOWNLOAD', /Expected safetensors .* found model-q4.gguf[^]*no GGUF/, () => fetchIt())
  })

  it('not at all lets the last copy serve, with a warning', async () => {
    const { server, env, fetchIt } = await hub()
    const folder = await fetchIt()
    await server.stop()
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    try {
      expect(await fetchIt()).toBe(folder)
      expect(warn.mock.calls[0]?.[0]).toMatch(
        /cannot be reached \(ECONNREFUSED\); using org\/tiny as it was fetched/,
      )
      await throwsKv('KV_DOWNLOAD', /Could not fetch org\/other/, () => fetchIt('org/other'))
      expect(await fetchIt('org/tiny', { env: { ...env, HF_HUB_OFFLINE: 'YES' } })).toBe(folder)
      expect(warn).toHaveBeenCalledTimes(1)
    } finally {
      warn.mockRestore()
    }
  })
})

describe('names from the server', () => {
  it('cannot leave the cache folder', async () => {
    const evil = '../../../../evil.safetensors'
    const files = tiny()
    delete files['model.safetensors']
    files['model.safetensors.index.json'] = text(JSON.stringify({ weight_map: { a: evil } }))
    files[evil] = weights(10)
    const { home, fetchIt } = await hub(files)
    await throwsKv('KV_DOWNLOAD', /to list safetensors files of org\/tiny/, () => fetchIt())
    expect(everyFile(home).filter((name) => name.includes('evil'))).toEqual([])
    expect(readdirSync(join(home, '..'))).not.toContain('evil.safetensors')
  })

  it.each(['../../../../evil', '.hidden', 'a/b', ''])('as etag %j are refused', async (etag) => {
    const files = tiny()
    files['config.json'] = { ...text('{}'), etag }
    const { home, fetchIt } = await hub(files)
    await throwsKv('KV_DOWNLOAD', /Expected size and checksum of config.json/, () => fetchIt())
    expect(everyFile(home)).toEqual([])
  })

  it('as commit are refused', async () => {
    const { server, home, fetchIt } = await hub()
    server.commit = '../../../evil'
    await throwsKv('KV_DOWNLOAD', /it names no commit/, () => fetchIt())
    expect(everyFile(home)).toEqual([])
  })
})

describe('a model that the Python library fetched', () => {
  it('is found and used without a network', async () => {
    const cache = temporaryFolder()
    const model = join(cache, 'models--org--python')
    const snapshot = join(model, 'snapshots', COMMIT)
    for (const folder of [join(model, 'blobs'), join(model, 'refs'), snapshot])
      mkdirSync(folder, { recursive: true })
    writeFileSync(join(model, 'refs', 'main'), COMMIT)
    for (const [name, blob] of [
      ['config.json', 'b1'],
      ['model.safetensors', 'b2'],
    ] as const) {
      writeFileSync(join(model, 'blobs', blob), name)
      symlinkSync(join('..', '..', 'blobs', blob), join(snapshot, name))
    }
    const env = { HF_HUB_CACHE: cache, HF_HUB_OFFLINE: '1', HF_HOME: cache }
    const folder = await downloadModel('org/python', { env })
    expect(folder).toBe(snapshot)
    expect(lstatSync(join(folder, 'config.json')).isSymbolicLink()).toBe(true)
    expect(realpathSync(join(folder, 'config.json'))).toBe(realpathSync(join(model, 'blobs', 'b1')))
    // A link to a blob that never came is no file.
    symlinkSync(join('..', '..', 'blobs', 'gone'), join(snapshot, 'model.safetensors.x'))
    await throwsKv('KV_DOWNLOAD', /HF_HUB_OFFLINE/, () => downloadModel('org/none', { env }))
  })
})

describe('what is a model', () => {
  it('is a path first, then a name on the hub', async () => {
    expect(await findModel('/no/such/model')).toBe('/no/such/model')
    expect(await findModel('./model')).toBe('./model')
    const folder = relative('', temporaryFolder())
    expect(await findModel(folder)).toBe(folder)
    await throwsKv('KV_DOWNLOAD', /HF_HUB_OFFLINE is set/, () =>
      findModel('org/tiny', { env: { HF_HUB_OFFLINE: 'true', HF_HOME: temporaryFolder() } }),
    )
  })

  it.each(['tiny', 'a/b/c', '../b', 'a/..', 'a--b/c', 'a b/c', '/etc'])('%j is no name', async (name) => {
    await throwsKv('KV_DOWNLOAD', /Expected the name of a model on the hub/, () =>
      downloadModel(name, { env: {} }),
    )
  })

  it.each(['org/tiny@', 'org/tiny@../x', 'org/tiny@a//b', 'org/tiny@a/.b'])(
    '%j has a bad revision',
    async (name) => {
      await throwsKv('KV_DOWNLOAD', /Expected a branch, a tag or a commit/, () =>
        downloadModel(name, { env: {} }),
      )
    },
  )

  it('needs an endpoint that is an address', async () => {
    await throwsKv('KV_DOWNLOAD', /http or https address for HF_ENDPOINT/, () =>
      downloadModel('org/tiny', { env: { HF_ENDPOINT: 'file:///etc' } }),
    )
  })
})
