import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { throwsKv } from '../support/throws.ts'
import { cut, everyFile, hub, text, tiny, weights } from './hub-fixture.ts'
import { COMMIT, etagOf, send, type HubFile } from './hub-server.ts'

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

  it('by a server that ends early without saying so continues there', async () => {
    const { server, fetchIt } = await hub()
    const file = server.files['model.safetensors'] as HubFile
    let asked = 0
    server.trouble = (request, response) => {
      if (request.url !== '/model.safetensors' || asked++ > 0) return false
      response.write(file.content.subarray(0, 50_000)) // in chunks, without a length
      response.end()
      return true
    }
    expect(readFileSync(join(await fetchIt(), 'model.safetensors')).equals(file.content)).toBe(true)
    expect(server.requests.at(-1)?.range).toBe('bytes=50000-')
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
