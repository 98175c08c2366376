import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { contentHash, type Scores } from '@qpkv/bench-kit'
import { isPlainObject, KvError, nearestName, type JsonObject } from '@qpkv/spec'
import { answerMetrics } from './answer-metrics.ts'

/** Scores of a reply by its right answers; `row` is the document's line of the file. */
export type QaMetric = (reply: string, answers: readonly string[], row: JsonObject) => Scores

/**
 * A metric by name, or a module of the user's whose default export is `(reply, answers, row) => number`, or an object of numbers.
 * @returns the metric, and a hash of the module where there is one
 * @throws KvError KV_INVALID_OPTION
 */
export async function loadMetric(
  name: string,
): Promise<{ readonly metric: QaMetric; readonly hash?: string }> {
  const known = answerMetrics[name]
  if (known)
    return {
      metric: (reply, answers) => ({ [name]: Math.max(...answers.map((answer) => known(reply, answer))) }),
    }
  if (!/\.(?:mjs|js|ts|mts)$/.test(name)) throw unknown(name)
  const path = resolve(name)
  const source = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new KvError('KV_INVALID_OPTION', `Cannot read the metric ${path}: ${(cause as Error).message}.`, {
      cause,
    })
  })
  const module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown }
  const { default: own } = module
  if (typeof own !== 'function')
    throw new KvError('KV_INVALID_OPTION', `${path}: expected a function as the default export.`, {
      hint: 'export default (reply, answers) => (answers.includes(reply.trim()) ? 1 : 0)',
    })
  return {
    metric: (reply, answers, row) =>
      readScores((own as (...args: unknown[]) => unknown)(reply, answers, row), path),
    hash: contentHash(source),
  }
}

function readScores(value: unknown, path: string): Scores {
  const scores = typeof value === 'number' ? { score: value } : value
  if (isPlainObject(scores) && Object.keys(scores).length > 0 && Object.values(scores).every(Number.isFinite))
    return scores as Record<string, number>
  throw new KvError(
    'KV_DATA',
    `${path}: expected a number, or an object of numbers, from the metric; it gave ${JSON.stringify(value)}.`,
  )
}

function unknown(name: string): KvError {
  const names = Object.keys(answerMetrics)
  const close = nearestName(name, names)
  return new KvError('KV_INVALID_OPTION', `There is no metric "${name}".`, {
    hint: `${close === undefined ? '' : `Did you mean "${close}"? `}Known: ${names.join(', ')}, or a module such as ./metric.mjs.`,
  })
}
