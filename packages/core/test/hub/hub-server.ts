import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

export const COMMIT = 'c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00'

/** What the server may do instead of answering as it should; returns true when it has answered. */
export type Trouble = (request: IncomingMessage, response: ServerResponse) => boolean

export interface HubFile {
  readonly content: Buffer
  /** Stored as large files are: named by SHA-256 and redirected to a storage host. */
  readonly large?: boolean
  /** What the listing says instead of the truth. */
  readonly etag?: string
}

/** A hub on the loopback interface with one model, `org/tiny`. */
export class HubServer {
  readonly requests: {
    method: string
    path: string
    range: string | undefined
    login: string | undefined
  }[] = []
  commit: string = COMMIT
  revisions = ['main', 'v1.0']
  trouble: Trouble = () => false
  /** List names alone, as some mirrors do. */
  bare = false
  files: Record<string, HubFile>
  private readonly hub: Server
  private readonly storage: Server

  private constructor(files: Record<string, HubFile>) {
    this.files = files
    this.hub = createServer((request, response) => {
      this.answer(request, response)
    })
    this.storage = createServer((request, response) => {
      this.store(request, response)
    })
  }

  static async start(files: Record<string, HubFile>): Promise<HubServer> {
    const server = new HubServer(files)
    for (const one of [server.hub, server.storage])
      await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => server.stop())
    return server
  }

  async stop(): Promise<void> {
    for (const one of [this.hub, this.storage]) {
      one.closeAllConnections()
      await new Promise((resolve) => one.close(resolve))
    }
  }

  get address(): string {
    return `http://127.0.0.1:${(this.hub.address() as AddressInfo).port}`
  }

  /** Requests for the content of a file, listing and headers aside. */
  contentRequests(name: string) {
    return this.requests.filter(({ method, path }) => method === 'GET' && path.endsWith(`/${name}`))
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    this.record(request)
    if (this.trouble(request, response)) return
    const [path] = (request.url ?? '').split('?')
    const listing = /^\/api\/models\/org\/tiny\/revision\/(.+)$/.exec(path ?? '')
    if (listing) {
      const revision = decodeURIComponent(listing[1] ?? '')
      if (![...this.revisions, this.commit].includes(revision)) return end(response, 404)
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({
          sha: this.commit,
          siblings: Object.entries(this.files).map((at) => this.sibling(at)),
        }),
      )
      return
    }
    const name = /^\/org\/tiny\/resolve\/[^/]+\/(.+)$/.exec(path ?? '')?.[1]
    const file = this.files[decodeURIComponent(name ?? '')]
    if (!file) return end(response, 404)
    response.setHeader('x-repo-commit', this.commit)
    if (!file.large) return send(request, response, file)
    response.setHeader('x-linked-etag', `"${etagOf(file)}"`)
    response.setHeader('x-linked-size', file.content.length)
    response.setHeader('location', `http://127.0.0.1:${(this.storage.address() as AddressInfo).port}/${name}`)
    end(response, 302)
  }

  private store(request: IncomingMessage, response: ServerResponse): void {
    this.record(request)
    if (this.trouble(request, response)) return
    const file = this.files[decodeURIComponent((request.url ?? '').slice(1))]
    if (file) send(request, response, file)
    else end(response, 404)
  }

  private record({ method = '', url = '', headers }: IncomingMessage): void {
    this.requests.push({ method, path: url, range: headers.range, login: headers.authorization })
  }

  private sibling([name, file]: [string, HubFile]) {
    if (this.bare) return { rfilename: name }
    const size = file.content.length
    return file.large
      ? { rfilename: name, size, blobId: '0'.repeat(40), lfs: { sha256: etagOf(file), size } }
      : { rfilename: name, size, blobId: etagOf(file) }
  }
}

export function etagOf({ content, large, etag }: HubFile): string {
  if (etag !== undefined) return etag
  return large
    ? createHash('sha256').update(content).digest('hex')
    : createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')
}

const end = (response: ServerResponse, status: number) => {
  response.statusCode = status
  response.end()
}

/** Sends a file or the part that a Range header asks for. */
export function send(request: IncomingMessage, response: ServerResponse, file: HubFile): void {
  const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const start = Number(asked?.[1] ?? 0)
  const end = asked?.[2] ? Math.min(Number(asked[2]) + 1, file.content.length) : file.content.length
  response.setHeader('etag', `"${etagOf(file)}"`)
  if (start > 0 || end < file.content.length) {
    response.statusCode = 206
    response.setHeader('content-range', `bytes ${start}-${end - 1}/${file.content.length}`)
  }
  response.setHeader('content-length', end - start)
  response.end(request.method === 'HEAD' ? undefined : file.content.subarray(start, end))
}
