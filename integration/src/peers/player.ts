import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** One prompt and the caches it is to be read into; settings are the player's own, by the name of a row. */
export interface PlayRequest {
  readonly ids: readonly number[]
  readonly question: readonly number[]
  readonly answerTokens: number
  readonly settings: Readonly<Record<string, unknown>>
}

/** What became of one prompt in one cache. */
export interface PlayedRow {
  readonly answer: readonly number[]
  /** Of the text's cache, before the question. */
  readonly bytes: number
  /** Text, question and first token. */
  readonly prefillMs: number
  /** Mean of the later tokens. */
  readonly tokenMs: number
  /** From the same program's full cache over its own answer: mean nats, and share of equal likeliest tokens. */
  readonly kl: number
  readonly top1: number
}

/** `rows` has one more, "full". */
export interface Played {
  readonly rows: Readonly<Record<string, PlayedRow>>
  readonly fullBytes: number
  /** Of the whole process so far. */
  readonly peakBytes: number
}

/** Versions and other facts, the first line of a player. */
export type PlayerFacts = Readonly<Record<string, unknown>>

/** A program that answers one line of JSON with another. */
export class Player {
  readonly #child
  readonly #lines

  private constructor(command: string, args: readonly string[], cwd: string, environment: object) {
    this.#child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
    this.command = [command, ...args].join(' ')
  }

  readonly command: string

  /** Starts it and waits until it has loaded the model. */
  static async start(
    command: string,
    args: readonly string[],
    { cwd = process.cwd(), environment = {} } = {},
  ): Promise<{ readonly player: Player; readonly facts: PlayerFacts }> {
    const player = new Player(command, args, cwd, environment)
    return { player, facts: await player.#next<PlayerFacts>() }
  }

  async play(request: PlayRequest): Promise<Played> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`)
    return this.#next<Played>()
  }

  stop(): void {
    this.#child.kill()
  }

  async #next<T>(): Promise<T> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error(`${this.command} ended early; what it said stands above.`)
    return JSON.parse(value) as T
  }
}
