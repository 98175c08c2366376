import { readText } from '@qpkv/bench-kit'
import type { Message } from '@qpkv/core'
import { describeValue, isPlainObject, KvError } from '@qpkv/spec'

/** What another implementation makes of a model; written by scripts/dump-logits.py. */
export interface LogitsDump {
  readonly model: string
  readonly transformers?: string
  readonly samples: readonly DumpSample[]
  readonly chat?: { readonly messages: readonly Message[]; readonly text: string }
}

interface DumpSample {
  readonly text: string
  readonly ids: readonly number[]
  /** [ids] likeliest next token after every position. */
  readonly argmax: readonly number[]
  /** [vocab] logits after the last position. */
  readonly last: readonly number[]
}

const isIds = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((id) => Number.isSafeInteger(id) && Number(id) >= 0)

/** Reads a dump. @throws KV_DATA with what is wrong and how to make one. */
export async function readLogitsDump(path: string): Promise<LogitsDump> {
  let value: unknown
  try {
    value = JSON.parse(await readText(path))
  } catch (cause) {
    throw bad(path, `it cannot be read (${(cause as Error).message})`)
  }
  if (!isPlainObject(value) || value['format'] !== 'qpkv-logits' || value['version'] !== 1)
    throw bad(path, 'it is none of version 1')
  const { samples, chat } = value
  if (!Array.isArray(samples) || samples.length === 0) throw bad(path, 'it has no samples')
  for (const [i, sample] of samples.entries()) checkSample(sample, i, path)
  if (chat !== undefined && !isChat(chat)) throw bad(path, 'chat is no { messages, text }')
  return value as unknown as LogitsDump
}

function checkSample(sample: unknown, index: number, path: string): void {
  if (!isPlainObject(sample)) throw bad(path, `samples[${index}] is ${describeValue(sample)}`)
  const { text, ids, argmax, last } = sample
  if (typeof text !== 'string') throw bad(path, `samples[${index}].text is no text`)
  if (!isIds(ids)) throw bad(path, `samples[${index}].ids is no list of token ids`)
  if (!isIds(argmax) || (argmax as unknown[]).length !== (ids as unknown[]).length)
    throw bad(path, `samples[${index}].argmax is no list of as many token ids as ids`)
  if (!Array.isArray(last) || !last.every((logit) => Number.isFinite(logit)))
    throw bad(path, `samples[${index}].last is no list of numbers`)
}

const isChat = (chat: unknown): boolean =>
  isPlainObject(chat) &&
  typeof chat['text'] === 'string' &&
  Array.isArray(chat['messages']) &&
  chat['messages'].every((message) => isPlainObject(message) && typeof message['content'] === 'string')

const bad = (path: string, what: string) =>
  new KvError('KV_DATA', `Expected a dump of logits in ${path}, but ${what}.`, {
    hint: 'Make one with scripts/dump-logits.py of this package: python dump-logits.py MODEL logits.json',
  })
