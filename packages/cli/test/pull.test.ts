import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadAssets } from '@qpkv/bench-ruler'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fetchFile } from '../src/pull/fetch-file.ts'
import { pullSets } from '../src/pull/pull-sets.ts'
import { writeRulerTemplates } from '../src/pull/ruler-templates.ts'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-pull-'))
/** Nothing of anybody else's: bytes that count. */
const body = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251))
const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const seen: { url: string; range: string | undefined }[] = []
let server: Server
let base = ''

beforeAll(async () => {
  server = createServer((request, response) => {
    const url = request.url ?? ''
    seen.push({ url, range: request.headers.range })
    if (url === '/gone') return response.writeHead(404).end()
    if (url === '/moved')
      return response.writeHead(302, { location: '/file', 'x-linked-etag': `"${hash(body)}"` }).end()
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (from >= body.length) return response.writeHead(416).end()
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length - from })
    if (url !== '/cut') return response.end(body.subarray(from))
    response.write(body.subarray(from, from + 40_000))
    setTimeout(() => response.destroy(), 50)
    return response
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true })
})

describe('fetching a file', () => {
  it('goes on where it was cut off, checks the whole and renames it last', async () => {
    const path = join(folder, 'a', 'file.bin')
    const sha256 = hash(body)
    await expect(fetchFile({ url: `${base}/cut`, path, sha256 })).rejects.toThrow(
      /\/cut (broke off after|ended after) \d+/,
    )
    expect(existsSync(path)).toBe(false)
    const partial = readFileSync(`${path}.part`).length
    expect(partial).toBeGreaterThan(0)
    const fetched = await fetchFile({ url: `${base}/file`, path, sha256 })
    expect(seen.at(-1)?.range).toBe(`bytes=${partial}-`)
    expect(fetched).toMatchObject({ bytes: 100_000, sha256, checked: 'pinned', cached: false })
    expect(readFileSync(path).equals(body)).toBe(true)
    expect(existsSync(`${path}.part`)).toBe(false)
    const requests = seen.length
    expect(await fetchFile({ url: `${base}/file`, path, sha256 })).toMatchObject({ cached: true })
    expect(seen).toHaveLength(requests)
  })

  it('takes the hash that the hub states before it redirects', async () => {
    const path = join(folder, 'stated.bin')
    expect(await fetchFile({ url: `${base}/moved`, path })).toMatchObject({ checked: 'stated' })
  })

  it('refuses another content, and starts afresh afterwards', async () => {
    const path = join(folder, 'wrong.bin')
    const wrong = fetchFile({ url: `${base}/file`, path, sha256: '0'.repeat(64) })
    await expect(wrong).rejects.toThrow(/has SHA-256 [0-9a-f]{64}, expected 0{64}/)
    expect(existsSync(path)).toBe(false)
    expect(existsSync(`${path}.part`)).toBe(false)
  })

  it('finishes a partial file that was complete already', async () => {
    const path = join(folder, 'whole.bin')
    writeFileSync(`${path}.part`, body)
    expect(await fetchFile({ url: `${base}/file`, path, sha256: hash(body) })).toMatchObject({
      cached: false,
    })
  })

  it('names the address of what is not there', async () => {
    await expect(fetchFile({ url: `${base}/gone`, path: join(folder, 'gone') })).rejects.toThrow(
      /\/gone answers with status 404/,
    )
  })
})

describe('qpkv pull', () => {
  it('fetches from a mirror and fails where the content is another', async () => {
    const out = join(folder, 'lexica')
    const { code, stderr } = await run(['pull', 'lexica', '--out', out, '--from', base])
    expect(code).toBe(1)
    expect(stderr).toMatch(/error: .*prob_start\.py has SHA-256/)
    expect(seen.at(-1)?.url).toMatch(/^\/fxsjy\/jieba\/[0-9a-f]{40}\/jieba\/finalseg\/prob_start\.py$/)
  })

  it('knows what there is', async () => {
    const { code, stderr } = await run(['pull', 'nosuch'])
    expect(code).toBe(2)
    expect(stderr).toMatch(/longbench, ruler-assets, needle-essays, lexica/)
    for (const { files } of pullSets)
      expect(new Set(files.map(({ saveAs }) => saveAs)).size).toBe(files.length)
  })
})

describe('templates of RULER', () => {
  it('are read from scripts of their form, without running them', async () => {
    const own = join(folder, 'ruler')
    const scripts = join(own, 'scripts')
    mkdirSync(scripts, { recursive: true })
    const families = ['niah', 'variable_tracking', 'common_words_extraction', 'freq_words_extraction', 'qa']
    const task = (name: string) =>
      `    '${name}' : {\n        'tokens_to_generate': 5,\n        'template': """T of ${name}.\\n{context} {query}""",\n        'answer_prefix': """ Reply to ${name}:""",\n    },\n`
    writeFileSync(join(scripts, 'constants.py'), `TASKS = {\n${families.map(task).join('')}}\n`)
    writeFileSync(
      join(scripts, 'niah.py'),
      `needle = "A {type_needle_v} of {key} is {value}."\n    haystack = "Green grows the grass all day."\n        template = template.replace('Some', 'A')\n`,
    )
    writeFileSync(
      join(scripts, 'variable_tracking.py'),
      `this_chain = [f"LET {this_vars[0]} = {str(np.random.randint(1, 9))}"]\nthis_chain.append(f"LET {this_vars[j+1]} = LET {this_vars[j]} ")\n`,
    )
    writeFileSync(join(scripts, 'qa.py'), 'DOCUMENT_PROMPT = "Paper {i}:\\n{document}"\n')
    for (const list of ['nounlist', 'adjectivelist', 'verblist'])
      writeFileSync(join(own, `${list}.txt`), 'word\n')
    await writeRulerTemplates(own)
    const { templates } = await loadAssets(own)
    expect(templates.tasks.qa).toEqual({
      template: 'T of qa.\n{context} {query}',
      answerPrefix: ' Reply to qa:',
    })
    expect(templates).toMatchObject({
      needle: 'A {type_needle_v} of {key} is {value}.',
      noise: 'Green grows the grass all day.',
      document: 'Paper {i}:\n{document}',
      assignment: 'LET {name} = {value}',
      copy: 'LET {name} = LET {previous} ',
      singular: [['Some', 'A']],
    })
    writeFileSync(join(scripts, 'qa.py'), '')
    await expect(writeRulerTemplates(own)).rejects.toThrow(/qa\.py: the document could not be found/)
  })
})
