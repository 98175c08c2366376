import { checkSpec, type CompressionSpec } from '@qpkv/spec'
import { setMaxListeners } from 'node:events'
import { performance } from 'node:perf_hooks'
import type { Context } from '../context.ts'
import type { Tokenizer } from '../model/tokenizer.ts'
import { hideNeedles } from '../needles/hide-needles.ts'
import { findsNeedle, makeNeedles, type Needle } from '../needles/needle.ts'
import type { CanaryOptions } from './canary-options.ts'
import { judgeCanary, type CanaryReport } from './canary-report.ts'

/** What a canary is let loose on. */
export interface CanaryCase {
  readonly spec: CompressionSpec
  /** Whether its method looks at the end of the prompt. */
  readonly queryAware: boolean
  readonly options: Required<CanaryOptions>
}

/** A prompt as it will be compressed. */
export interface CanaryPrompt {
  readonly ids: Int32Array
  /** After the last user turn's text, or the prompt's end. */
  readonly end: number
}

/** Compresses a prompt under several specs at once. */
type Prefill = (ids: Int32Array, specs: readonly CompressionSpec[]) => Promise<Context[]>

/** Tokens that a wrong answer may take before it is left. */
const SPARE = 3

/**
 * Hides numbers in a copy of the prompt, compresses it as the prompt will be, and asks for them with the full cache and the compressed one.
 * The copy is gone when this ends.
 */
export async function runCanary(
  { spec, queryAware, options }: CanaryCase,
  prompt: CanaryPrompt,
  tokenizer: Tokenizer,
  prefill: Prefill,
  signal: AbortSignal | undefined,
): Promise<CanaryReport> {
  const started = performance.now()
  const needles = makeNeedles(options.needles, options.seed)
  const encode = (text: string) => tokenizer.encode(text, { special: false })
  // Behind the user's text stands what opens the reply in a conversation; a plain text has nothing there.
  const tail = prompt.ids.subarray(prompt.end)
  const chat = tail.length > 0
  const ask = ({ question, lead }: Needle) =>
    chat
      ? { question: encode(`\n${question}`), reply: [...tail, ...encode(lead)] }
      : { question: encode(`\nQuestion: ${question}\nAnswer: ${lead}`), reply: [] }
  const longest = Math.max(...needles.map((needle) => ask(needle).question.length))
  const text = queryAware ? prompt.end - longest : prompt.end
  const { ids, hidden } = hideNeedles(
    prompt.ids.subarray(0, prompt.end),
    [0, Math.max(0, text)],
    needles,
    tokenizer,
    options.seed,
  )
  let tokens = 0
  // Every answer listens to it.
  const ends = signal && AbortSignal.any([signal])
  if (ends) setMaxListeners(0, ends)
  const find = async (needle: Needle, context: Context, fed: readonly number[]): Promise<boolean> => {
    await using own = context.fork()
    const options = ends ? { signal: ends } : {}
    if (fed.length > 0) await own.append(fed, options)
    const maxTokens = encode(` ${needle.value}`).length + SPARE
    const { text } = await own.generate({ maxTokens, temperature: 0, ...options }).result
    tokens += fed.length + maxTokens
    return findsNeedle(text, needle)
  }
  /** Answers of every cache to these needles; all of them step together. */
  const askAll = async (
    copy: Int32Array,
    asked: readonly { needle: Needle; depth: number; fed: readonly number[] }[],
  ) => {
    const contexts = await prefill(copy, [spec, checkSpec({})])
    tokens += copy.length
    try {
      return await Promise.all(
        asked.map(async ({ needle, depth, fed }) => {
          const [found = false, whole = false] = await Promise.all(
            contexts.map((context) => find(needle, context, fed)),
          )
          return { depth, full: whole, found }
        }),
      )
    } finally {
      await Promise.all(contexts.map((context) => context.dispose()))
    }
  }
  const answers: CanaryReport['needles'][number][] = []
  if (queryAware) {
    for (const { needle, depth } of hidden) {
      const { question, reply } = ask(needle)
      // The copy's question stands where the user's stood.
      const copy = ids.slice()
      copy.set(question, copy.length - question.length)
      answers.push(...(await askAll(copy, [{ needle, depth, fed: reply }])))
    }
  } else if (hidden.length > 0) {
    const asked = hidden.map(({ needle, depth }) => {
      const { question, reply } = ask(needle)
      return { needle, depth, fed: [...question, ...reply] }
    })
    answers.push(...(await askAll(ids, asked)))
  }
  return {
    ...judgeCanary(answers, options.threshold),
    protocol: queryAware ? 'query-aware' : 'query-agnostic',
    ms: performance.now() - started,
    tokens,
  }
}
