import { setTimeout as sleep } from 'node:timers/promises'
import { KvError } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { HubSettings } from './hub-settings.ts'

/** The hub cannot be reached or asks to come back later: what is in the cache may still do. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

/** How often a request is repeated, and after what waits. */
export interface RetryPolicy {
  readonly attempts: number
  /** Doubles with each attempt. */
  readonly delayMs: number
  /** A server that asks for a longer wait than this gets an error instead. */
  readonly longestWaitMs: number
  /** Silence after which a connection counts as cut. */
  readonly idleMs: number
}

export const defaultRetry: RetryPolicy = { attempts: 5, delayMs: 500, longestWaitMs: 60_000, idleMs: 30_000 }

const MAX_REDIRECTS = 5

/**
 * An answer and the headers of all answers on the way to it, the first ones first: hubs
 * describe a file, then redirect to its storage.
 */
export interface HubAnswer {
  readonly response: Response
  header(name: string): string | undefined
}

/** Requests to one hub: login, redirects, repeated attempts, and errors that say what to do. */
export class HubClient {
  readonly settings: HubSettings
  readonly retry: RetryPolicy
  readonly signal: AbortSignal | undefined

  constructor(settings: HubSettings, retry: RetryPolicy = defaultRetry, signal?: AbortSignal) {
    this.settings = settings
    this.retry = retry
    this.signal = signal
  }

  /**
   * @param path begins with a slash.
   * @throws KV_DOWNLOAD for answers that asking again would not change, Unreachable for the others, KV_ABORTED.
   */
  async request(
    path: string,
    options: { method?: 'GET' | 'HEAD'; headers?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<HubAnswer> {
    for (let attempt = 1; ; attempt++) {
      let delay = this.retry.delayMs * 2 ** (attempt - 1)
      let problem: string
      try {
        const answer = await this.follow(`${this.settings.endpoint}${path}`, options)
        const { status } = answer.response
        if (answer.response.ok || status === 416) return answer
        await answer.response.body?.cancel()
        if (status !== 429 && status < 500) throw refused(status, path, this.settings)
        problem = `answered ${status}`
        const asked = retryAfterMs(answer.header('retry-after'))
        if (asked > this.retry.longestWaitMs)
          throw new Unreachable(
            `${this.settings.endpoint} answered ${status} and asks to wait ${Math.ceil(asked / 1000)} s`,
          )
        delay = Math.max(delay, asked)
      } catch (cause) {
        this.throwIfAborted()
        if (!isNetworkError(cause)) throw cause
        problem = `cannot be reached (${reason(cause)})`
      }
      if (attempt >= this.retry.attempts) throw new Unreachable(`${this.settings.endpoint} ${problem}`)
      await this.pause(delay)
    }
  }

  async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, this.signal && { signal: this.signal }).catch(() => undefined)
    this.throwIfAborted()
  }

  throwIfAborted(): void {
    if (this.signal?.aborted === true)
      throw new KvError('KV_ABORTED', 'The download was cancelled.', {
        hint: 'Start it again: it continues where it stopped.',
        cause: this.signal.reason,
      })
  }

  private async follow(
    url: string,
    options: { method?: string; headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<HubAnswer> {
    const silence = new AbortController()
    const signals = [this.signal, options.signal, silence.signal].filter((signal) => signal !== undefined)
    const passed: Headers[] = []
    let at = new URL(url)
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      // The token is for the hub alone; storage hosts get addresses that are signed already.
      const login = at.origin === new URL(this.settings.endpoint).origin && this.settings.token
      const timer = setTimeout(() => {
        silence.abort()
      }, this.retry.idleMs)
      const response = await fetch(at, {
        method: options.method ?? 'GET',
        redirect: 'manual',
        headers: {
          'user-agent': 'qpkv',
          'accept-encoding': 'identity',
          ...options.headers,
          ...(login && { authorization: `Bearer ${login}` }),
        },
        signal: AbortSignal.any(signals),
      }).finally(() => {
        clearTimeout(timer)
      })
      passed.push(response.headers)
      const location = response.headers.get('location')
      if (response.status < 300 || response.status >= 400 || location === null)
        return { response, header: (name) => firstOf(passed, name) }
      await response.body?.cancel()
      const next = new URL(location, at)
      if (next.protocol !== at.protocol && next.protocol !== 'https:')
        throw kvError(
          'KV_DOWNLOAD',
          `${at.origin} redirects to ${next.protocol}//${next.host}, which is not safe to follow.`,
          'Check HF_ENDPOINT.',
        )
      at = next
    }
    throw kvError(
      'KV_DOWNLOAD',
      `${url} redirects more than ${MAX_REDIRECTS} times.`,
      'Check HF_ENDPOINT and the name of the model.',
    )
  }
}

const firstOf = (headers: readonly Headers[], name: string): string | undefined =>
  headers.map((at) => at.get(name)).find((value) => value !== null) ?? undefined

/** Milliseconds to wait by a Retry-After header in seconds or as a date; 0 without one. */
function retryAfterMs(value: string | undefined, now: number = Date.now()): number {
  if (value === undefined) return 0
  const seconds = Number(value)
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - now
  return Number.isFinite(ms) ? Math.max(0, ms) : 0
}

// fetch rejects with a TypeError for every failure of the connection, and with the
// signal's reason (an AbortError) for our idle timer.
export const isNetworkError = (cause: unknown): boolean =>
  cause instanceof TypeError || (cause instanceof Error && cause.name === 'AbortError')

export function reason(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const code = (inner as { code?: unknown }).code
  return typeof code === 'string' ? code : inner instanceof Error ? inner.message : String(inner)
}

function refused(status: number, path: string, { endpoint, token }: HubSettings) {
  const what = `${endpoint}${path.split('?')[0] ?? path}`
  if (status === 401 || status === 403)
    return kvError(
      'KV_DOWNLOAD',
      `${what} answered ${status}: the model does not exist, is private, or its license must be accepted first${token ? ' by the owner of this token' : ''}.`,
      token
        ? 'Check the name, accept the license on the page of the model, and check that HF_TOKEN may read it.'
        : 'Check the name; for private and gated models set HF_TOKEN to a token that may read it.',
    )
  return kvError(
    'KV_DOWNLOAD',
    `${what} answered ${status}${status === 404 ? ': there is no such model, revision or file' : ''}.`,
    'Check the name and, after an @, the revision.',
  )
}
