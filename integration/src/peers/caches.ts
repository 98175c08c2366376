import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { contentHash, mean, median, stratifiedMean, wilsonInterval, type Interval } from '@qpkv/bench-kit'
import type { Json } from '@qpkv/spec'
import { comparePairs, type CachePair } from './paired-caches.ts'
import type { Played, PlayedRow, Player, PlayerFacts } from './player.ts'

/** A program with the caches it is asked for. */
export interface Side {
  readonly name: string
  readonly settings: Readonly<Record<string, Json>>
  readonly start: () => Promise<{ readonly player: Player; readonly facts: PlayerFacts }>
}

export interface CachePrompt {
  readonly ids: readonly number[]
  readonly question: readonly number[]
  readonly answer: string
}

/** One cache of one program over all prompts. */
export interface CacheRow {
  readonly program: string
  readonly cache: string
  /** Bytes over those of the same program's 16-bit cache. */
  readonly share: number
  readonly right: number
  readonly rightInterval: Interval
  readonly kl: number
  readonly klInterval: Interval
  readonly top1: number
  readonly prefillMs: number
  readonly tokenMs: number
}

interface Line {
  readonly key: string
  readonly prompt: number
  readonly side: string
  readonly played: Played
}

/**
 * Every prompt through every program, one after another in an order that rotates; lines that `log` has already are not asked again.
 * Rows in the order of the sides; their times are medians over the first `timed` prompts.
 */
export async function compareCaches(
  sides: readonly Side[],
  prompts: readonly CachePrompt[],
  answerTokens: number,
  decode: (ids: readonly number[]) => string,
  log: string,
  timed = prompts.length,
): Promise<{
  readonly rows: readonly CacheRow[]
  readonly pairs: readonly CachePair[]
  readonly facts: Readonly<Record<string, PlayerFacts>>
  readonly peakBytes: Readonly<Record<string, number>>
}> {
  const keyOf = (side: Side, prompt: CachePrompt) =>
    contentHash({ side: side.name, settings: side.settings, ids: prompt.ids, question: prompt.question })
  mkdirSync(dirname(log), { recursive: true })
  const lines: Line[] = existsSync(log)
    ? readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line) => JSON.parse(line) as Line)
    : []
  const known = new Map(lines.map((line) => [line.key, line]))
  const started = await Promise.all(sides.map(async (side) => ({ side, ...(await side.start()) })))
  try {
    for (const [i, prompt] of prompts.entries()) {
      for (let turn = 0; turn < started.length; turn++) {
        const one = started[(i + turn) % started.length]
        if (!one) throw new Error('unreachable')
        const key = keyOf(one.side, prompt)
        if (known.has(key)) continue
        const { ids, question } = prompt
        const played = await one.player.play({ ids, question, answerTokens, settings: one.side.settings })
        const line: Line = { key, prompt: i, side: one.side.name, played }
        known.set(key, line)
        appendFileSync(log, `${JSON.stringify(line)}\n`)
      }
      process.stderr.write(`\rcaches ${i + 1}/${prompts.length}`)
    }
    process.stderr.write('\n')
  } finally {
    for (const { player } of started) player.stop()
  }
  const playedBy = (side: Side) => prompts.map((prompt) => known.get(keyOf(side, prompt))?.played as Played)
  const played = new Map(sides.map((side) => [side.name, playedBy(side)]))
  return {
    pairs: comparePairs(([program, cache]) => {
      const all = played.get(program) ?? []
      return {
        right: answersRight(all, cache, prompts, decode),
        kl: all.map(({ rows }) => rows[cache]?.kl ?? NaN),
      }
    }),
    rows: sides.flatMap(({ name, settings }) =>
      ['full', ...Object.keys(settings)].map((cache) =>
        cacheRow(name, cache, played.get(name) ?? [], prompts, decode, timed),
      ),
    ),
    facts: Object.fromEntries(started.map(({ side, facts }) => [side.name, facts])),
    peakBytes: Object.fromEntries(
      sides.map((side) => [side.name, Math.max(...playedBy(side).map(({ peakBytes }) => peakBytes))]),
    ),
  }
}

const answersRight = (
  played: readonly Played[],
  cache: string,
  prompts: readonly CachePrompt[],
  decode: (ids: readonly number[]) => string,
): boolean[] => prompts.map(({ answer }, i) => decode(played[i]?.rows[cache]?.answer ?? []).includes(answer))

function cacheRow(
  program: string,
  cache: string,
  played: readonly Played[],
  prompts: readonly CachePrompt[],
  decode: (ids: readonly number[]) => string,
  timed: number,
): CacheRow {
  const of = (read: (row: PlayedRow) => number) =>
    played.map(({ rows }) => {
      const row = rows[cache]
      return row ? read(row) : NaN
    })
  const right = answersRight(played, cache, prompts, decode).filter(Boolean).length
  const kl = stratifiedMean([of((row) => row.kl)])
  return {
    program,
    cache,
    share: mean(played.map(({ rows, fullBytes }) => (rows[cache]?.bytes ?? NaN) / fullBytes)),
    right: right / prompts.length,
    rightInterval: wilsonInterval(right, prompts.length),
    kl: kl.mean,
    klInterval: { low: kl.low, high: kl.high },
    top1: mean(of((row) => row.top1)),
    prefillMs: median(of((row) => row.prefillMs).slice(0, timed)),
    tokenMs: median(of((row) => row.tokenMs).slice(0, timed)),
  }
}
