import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { downloadModel, type DownloadOptions } from '../../src/hub/download-model.ts'
import { findModel } from '../../src/hub/find-model.ts'
import { temporaryFolder } from '../support/model-folder.ts'
import { throwsKv } from '../support/throws.ts'
import { COMMIT, etagOf, HubServer, send, type HubFile } from './hub-server.ts'

const text = (content: string): HubFile => ({ content: Buffer.from(content) })
const weights = (bytes: number, seed = 7): HubFile => ({
  content: Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => (i * seed) & 255)),
  large: true,
})
const tiny = (): Record<string, HubFile> => ({
  'config.json': text('{"model_type":"llama"}'),
  'tokenizer.json': text('{}'),
  'chat_template.jinja': text('{{ messages }}'),
  'model.safetensors': weights(200_000),
  'README.md': text('not needed'),
  'pytorch_model.bin': weights(10),
})
const retry = { attempts: 3, delayMs: 1, longestWaitMs: 50, idleMs: 200 }

async function hub(files = tiny()) {
  const server = await HubServer.start(files)
  const home = temporaryFolder()
  const env = { HF_ENDPOINT: server.address, HF_HOME: home }
  const fetchIt = (name = 'org/tiny', more: DownloadOptions = {}) =>
    downloadModel(name, { env, retry, ...more })
  return { server, home, env, fetchIt, model: join(home, 'hub', 'models--org--tiny') }
}

const everyFile = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()

/** Sends half of a file and cuts the connection. */
const cut = (response: Parameters<HubServer['trouble']>[1], file: HubFile, from = 0) => {
  response.setHeader('content-length', file.content.length - from)
  if (from > 0) {
    response.statusCode = 206
    response.setHeader('content-range', `bytes ${from}-${file.content.length - 1}/${file.content.length}`)
  }
  const half = from + ((file.content.length - from) >> 1)
  response.write(file.content.subarray(from, half), () => setTimeout(() => response.destroy(), 20))
}

describe('a download', () => {
  it('brings the files that are needed into the layout of the Python library', async () => {
    const { server, fetchIt, model } = await hub()
    const seen: string[] = []
    const folder = await fetchIt('org/tiny', {
      onProgress: ({ file, bytes, totalBytes }) => seen.push(`${file} ${bytes}/${totalBytes}`),
    })
    expect(folder).toBe(join(model, 'snapshots', COMMIT))
    expect(readdirSync(folder).sort()).toEqual([
      'chat_template.jinja',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
    ])
    for (const name of readdirSync(folder)) {
      const file = server.files[name] as HubFile
      expect(readlinkSync(join(folder, name))).toBe(join('..', '..', 'blobs', etagOf(file)))
      expect(readFileSync(join(folder, name)).equals(file.content)).toBe(true)
    }
    expect(readFileSync(join(model, 'refs', 'main'), 'utf8')).toBe(COMMIT)
    expect(everyFile(join(model, 'blobs'))).toHaveLength(4)
    expect(seen.at(-1)).toBe('model.safetensors 200000/200000')
  })

  it('fetches shards that an index names, and only those', async () => {
    const files = tiny()
    delete files['model.safetensors']
    files['model.safetensors.index.json'] = text(
      '{"weight_map":{"a":"x-1.safetensors","b":"x-2.safetensors"}}',
    )
    for (const name of ['x-1', 'x-2', 'consolidated'])
      files[`${name}.safetensors`] = weights(1000, name.length)
    const { fetchIt } = await hub(files)
    expect(readdirSync(await fetchIt()).filter((name) => name.endsWith('.safetensors'))).toEqual([
      'x-1.safetensors',
      'x-2.safetensors',
    ])
  })

  it('is not repeated', async () => {
    const { server, fetchIt } = await hub()
    await fetchIt()
    const before = server.requests.length
    await fetchIt()
    expect(server.requests.slice(before).map(({ path }) => path)).toEqual([
      '/api/models/org/tiny/revision/main?blobs=true',
    ])
  })

  it('of a commit asks nobody once it is there', async () => {
    const { server, fetchIt } = await hub()
    await fetchIt(`org/tiny@${COMMIT}`)
    const before = server.requests.length
    expect(await fetchIt(`org/tiny@${COMMIT}`)).toMatch(COMMIT)
    expect(server.requests).toHaveLength(before)
  })

  it('follows a branch that moved and keeps what did not change', async () => {
    const { server, fetchIt } = await hub()
    await fetchIt()
    server.commit = 'd'.repeat(40)
    server.files['config.json'] = text('{"model_type":"qwen2"}')
    expect(readFileSync(join(await fetchIt(), 'config.json'), 'utf8')).toMatch(/qwen2/)
    expect(server.contentRequests('model.safetensors')).toHaveLength(2) // the hub and its storage, once
  })

  it('pins a revision by its tag', async () => {
    const { server, fetchIt, model } = await hub()
    await fetchIt('org/tiny@v1.0')
    expect(readFileSync(join(model, 'refs', 'v1.0'), 'utf8')).toBe(server.commit)
    await throwsKv('KV_DOWNLOAD', /answered 404: there is no such model, revision/, () =>
      fetchIt('org/tiny@v9'),
    )
  })

  it('works with a mirror that lists names alone', async () => {
    const { server, fetchIt } = await hub()
    server.bare = true
    const folder = await fetchIt()
    expect(readlinkSync(join(folder, 'model.safetensors'))).toMatch(/\/[0-9a-f]{64}$/)
  })

  it('sends the token to the hub and never to the storage', async () => {
    const { server, env, fetchIt } = await hub()
    await fetchIt('org/tiny', { env: { ...env, HF_TOKEN: 'hf_secret' } })
    const storage = server.requests.filter(({ path }) => path === '/model.safetensors')
    expect(storage).toHaveLength(1)
    expect(storage[0]?.login).toBeUndefined()
    expect(
      server.requests
        .filter((request) => !storage.includes(request))
        .every(({ login }) => login === 'Bearer hf_secret'),
    ).toBe(true)
  })

  it('takes the token that the Python library wrote', async () => {
    const { server, home, fetchIt } = await hub()
    writeFileSync(join(home, 'token'), 'hf_file\n')
    await fetchIt()
    expect(server.requests[0]?.login).toBe('Bearer hf_file')
  })

  it('by two at once fetches every file once', async () => {
    const { server, fetchIt } = await hub()
    expect(new Set(await Promise.all([fetchIt(), fetchIt(), fetchIt()])).size).toBe(1)
    expect(server.contentRequests('config.json')).toHaveLength(1)
  })
})

describe('a download that is cut', () => {
  it('continues at the byte where it stopped', async () => {
    const { server, fetchIt } = await hub()
    const file = server.files['model.safetensors'] as HubFile
    let cuts = 0
    server.trouble = (request, response) => {
      if (request.url !== '/model.safetensors' || cuts++ > 0) return false
      cut(response, file)
      return true
    }
    const folder = await fetchIt()
    const ranges = server.requests
      .filter(({ path }) => path === '/model.safetensors')
      .map(({ range }) => range)
    expect(ranges).toEqual([undefined, 'bytes=100000-'])
    expect(readFileSync(join(folder, 'model.safetensors')).equals(file.content)).toBe(true)
  })

  it('for good never looks complete, and the next run continues', async () => {
    const { server, env, fetchIt, model } = await hub()
    const file = server.files['model.safetensors'] as HubFile
    let asked = 0
    server.trouble = (request, response) => {
      if (request.url !== '/model.safetensors') return false
      if (asked++ === 0) cut(response, file)
      else response.destroy()
      return true
    }
    await throwsKv('KV_DOWNLOAD', /Could not fetch org\/tiny[^]*continues where it stopped/, () => fetchIt())
    expect(
      everyFile(model).filter((name) => name.includes('refs') || name.includes('model.safetensors')),
    ).toEqual([])
    const blob = join('blobs', etagOf(file))
    expect(everyFile(model)).toContain(`${blob}.incomplete`)
    expect(everyFile(model)).not.toContain(blob)
    await throwsKv('KV_DOWNLOAD', /not in .* in full/, () =>
      fetchIt('org/tiny', { env: { ...env, HF_HUB_OFFLINE: '1' } }),
    )
    server.trouble = () => false
    await fetchIt()
    expect(server.requests.at(-1)?.range).toBe('bytes=100000-')
    expect(everyFile(model).filter((name) => /incomplete|lock/.test(name))).toEqual([])
  })

  it('by silence counts as cut', async () => {
    const { server, fetchIt } = await hub()
    let asked = 0
    server.trouble = (request, response) => {
      if (request.url !== '/model.safetensors' || asked++ > 0) return false
      response.setHeader('content-length', 200_000)
      response.write(Buffer.alloc(10))
      return true
    }
    // Ten zero bytes are a wrong beginning too: the checksum finds it and the file is fetched afresh.
    expect(readFileSync(join(await fetchIt(), 'model.safetensors'))).toHaveLength(200_000)
  })

  it('continues with servers that ignore ranges', async () => {
    const { server, fetchIt } = await hub()
    const file = server.files['model.safetensors'] as HubFile
    let cuts = 0
    server.trouble = (request, response) => {
      if (request.url !== '/model.safetensors') return false
      if (cuts++ === 0) cut(response, file)
      else {
        delete request.headers.range
        send(request, response, file)
      }
      return true
    }
    expect(readFileSync(join(await fetchIt(), 'model.safetensors')).equals(file.content)).toBe(true)
  })

  it('by its signal stops at once and is continued later', async () => {
    const { server, fetchIt } = await hub()
    const controller = new AbortController()
    await throwsKv('KV_ABORTED', /cancelled/, () =>
      fetchIt('org/tiny', {
        signal: controller.signal,
        onProgress: ({ file, bytes }) => {
          if (file === 'model.safetensors' && bytes > 0) controller.abort()
        },
      }),
    )
    expect(readFileSync(join(await fetchIt(), 'model.safetensors'))).toHaveLength(200_000)
    expect(server.contentRequests('config.json')).toHaveLength(1)
  })
})

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

  it('429 is obeyed', async () => {
    const { fetchIt } = await answering(429, { 'retry-after': '0.04' }, 1)
    const started = Date.now()
    expect(await fetchIt()).toMatch(COMMIT)
    expect(Date.now() - started).toBeGreaterThanOrEqual(39)
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
